package podroutes

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

var (
	cluster = netip.MustParsePrefix("10.42.0.0/16")
	link    = netip.MustParsePrefix("192.0.2.0/24")
)

func machine(name, address, pods string) Machine {
	m := Machine{Name: name}
	m.Address, _ = netip.ParseAddr(address)
	m.Pods, _ = netip.ParsePrefix(pods)
	return m
}

func TestDecide(t *testing.T) {
	self := machine("self", "192.0.2.1", "10.42.0.0/24")
	direct := Route{Pods: netip.MustParsePrefix("10.42.1.0/24"), Via: netip.MustParseAddr("192.0.2.2")}
	tunnel := Route{Pods: netip.MustParsePrefix("10.42.2.0/24"), Via: netip.MustParseAddr("198.51.100.3"), Tunnel: true}
	for _, test := range []struct {
		name   string
		others []Machine
		want   []Route
	}{
		{"alone", nil, nil},
		{"on the same network: a route", []Machine{machine("b", "192.0.2.2", "10.42.1.0/24")}, []Route{direct}},
		{"behind a router: the tunnel", []Machine{machine("c", "198.51.100.3", "10.42.2.0/24")}, []Route{tunnel}},
		{"both", []Machine{machine("c", "198.51.100.3", "10.42.2.0/24"), machine("b", "192.0.2.2", "10.42.1.0/24")}, []Route{direct, tunnel}},
		{"one that has no range yet", []Machine{machine("b", "192.0.2.2", "")}, nil},
		{"one that has told no address yet", []Machine{machine("b", "", "10.42.1.0/24")}, nil},
		{"a range that is not the pods'", []Machine{machine("b", "192.0.2.2", "0.0.0.0/0"), machine("c", "192.0.2.3", "10.0.0.0/8"), machine("d", "192.0.2.4", "10.43.0.0/24")}, nil},
		{"one that claims our own pods", []Machine{machine("b", "192.0.2.2", "10.42.0.0/24")}, nil},
		{"two that claim the same", []Machine{machine("b", "192.0.2.2", "10.42.1.0/24"), machine("c", "192.0.2.3", "10.42.1.128/25")}, nil},
	} {
		machines := append([]Machine{self}, test.others...)
		if got := Decide("self", machines, link, cluster); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, not %v", test.name, got, test.want)
		}
	}
}

// Whatever the machines say of themselves: never is anything routed away but pods of
// another machine, never twice, and the order of what is said does not matter.
func TestDecideNever(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(texts ...string) string { return texts[random.IntN(len(texts))] }
	for range 20000 {
		machines := []Machine{machine("self", "192.0.2.1", "10.42.0.0/24")}
		for _, name := range []string{"b", "c", "d"} {
			machines = append(machines, machine(name, pick("192.0.2.2", "198.51.100.3", "", "192.0.2.1"),
				pick("10.42.0.0/24", "10.42.1.0/24", "10.42.0.0/16", "10.42.1.128/25", "0.0.0.0/0", "10.43.0.0/24", "")))
		}
		routes := Decide("self", machines, link, cluster)
		for i, route := range routes {
			if !cluster.Contains(route.Pods.Addr()) || route.Pods.Overlaps(machines[0].Pods) {
				t.Fatalf("%v leads to %v", machines, route)
			}
			if route.Tunnel == link.Contains(route.Via) {
				t.Fatalf("%v leads through the wrong device: %v", machines, route)
			}
			for _, other := range routes[:i] {
				if other.Pods.Overlaps(route.Pods) {
					t.Fatalf("%v leads to the same pods twice: %v", machines, routes)
				}
			}
		}
		random.Shuffle(len(machines), func(i, j int) { machines[i], machines[j] = machines[j], machines[i] })
		if again := Decide("self", machines, link, cluster); len(routes) != len(again) || !slices.Equal(routes, again) {
			t.Fatalf("%v: %v or %v", machines, routes, again)
		}
	}
}
