// Package podroutes leads packets from this machine's pods to those of the other
// machines: by plain routes where both are on one layer-2 network, through a VXLAN
// (RFC 7348) where a router lies between. What is wanted is decided from values;
// the kernel is made to have just that.
package podroutes

import (
	"cmp"
	"net/netip"
	"slices"
)

// Machine is a machine of the cluster.
type Machine struct {
	Name string
	// Address is where other machines reach it; Pods is its share of the cluster's
	// pod addresses. Either may be missing as yet: then nothing leads to it.
	Address netip.Addr
	Pods    netip.Prefix
}

// Route leads to the pods of another machine.
type Route struct {
	Pods netip.Prefix
	Via  netip.Addr // the machine that has them
	// Tunnel: a router lies between that does not know of pods.
	Tunnel bool
}

// Decide says which routes a machine needs. The link is the network that the
// machine's own address is on, and cluster the range of all pods: nothing else is
// ever routed. Of two machines that claim the same pods neither gets them.
func Decide(self string, machines []Machine, link, cluster netip.Prefix) []Route {
	var routes []Route
	for _, machine := range machines {
		if machine.Name == self || !machine.Address.IsValid() || !within(machine.Pods, cluster) {
			continue
		}
		disputed := slices.ContainsFunc(machines, func(other Machine) bool {
			return other.Name != machine.Name && other.Pods.IsValid() && other.Pods.Overlaps(machine.Pods)
		})
		if disputed {
			continue
		}
		routes = append(routes, Route{Pods: machine.Pods, Via: machine.Address, Tunnel: !link.Contains(machine.Address)})
	}
	slices.SortFunc(routes, func(a, b Route) int { return cmp.Compare(a.Pods.String(), b.Pods.String()) })
	return routes
}

func within(pods, cluster netip.Prefix) bool {
	return pods.IsValid() && pods.Bits() >= cluster.Bits() && cluster.Contains(pods.Addr())
}

// gateway is the machine as its pods see it: the first address of their range.
func gateway(pods netip.Prefix) netip.Addr { return pods.Masked().Addr().Next() }

// hardwareAddress is that of a machine's end of the VXLAN. Everybody can work it
// out, so nobody has to tell.
func hardwareAddress(machine netip.Addr) []byte {
	ip := machine.As4()
	return []byte{0x0a, 0x58, ip[0], ip[1], ip[2], ip[3]} // locally administered
}
