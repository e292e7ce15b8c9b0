package podroutes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// protocol marks our routes in the kernel (rtm_protocol), so that those of others
// are never touched.
const protocol netlink.RouteProtocol = 142

// Network is a machine's part of the pod network.
type Network struct {
	// Name is that of the network device and of the nftables table that hold the rest
	// of it; both must be there.
	Name string
	// Address is where other machines reach this one; Pods is its share of pod addresses.
	Address netip.Addr
	Pods    netip.Prefix
}

// Tunnel names the device of the VXLAN.
func (n Network) Tunnel() string { return "vxlan-" + strings.TrimPrefix(n.Name, "mainstay-") }

// Link returns the network that the machine's address is on, and its device.
func (n Network) Link() (netip.Prefix, netlink.Link, error) {
	addresses, err := netlink.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		return netip.Prefix{}, nil, fmt.Errorf("list addresses: %w", err)
	}
	for _, address := range addresses {
		if ip, _ := netip.AddrFromSlice(address.IP.To4()); ip == n.Address {
			ones, _ := address.Mask.Size()
			link, err := netlink.LinkByIndex(address.LinkIndex)
			return netip.PrefixFrom(ip, ones).Masked(), link, err
		}
	}
	return netip.Prefix{}, nil, fmt.Errorf("this machine does not have the address %s any more", n.Address)
}

// Apply makes the kernel have these routes and no others of ours. Repeating it is
// harmless, and repairs what somebody has removed.
func (n Network) Apply(ctx context.Context, routes []Route) error {
	_, link, err := n.Link()
	if err != nil {
		return err
	}
	peers := slices.DeleteFunc(slices.Clone(routes), func(r Route) bool { return !r.Tunnel })
	if err := n.guard(ctx, peers); err != nil {
		return fmt.Errorf("nftables table %s: %w", n.Name, err)
	}
	var tunnel netlink.Link
	if len(peers) > 0 {
		if tunnel, err = n.ensureTunnel(link, peers); err != nil {
			return fmt.Errorf("VXLAN %s: %w", n.Tunnel(), err)
		}
	} else if err := RemoveLink(n.Tunnel()); err != nil {
		return err
	}
	wanted := map[string]netlink.Route{}
	for _, route := range routes {
		entry := netlink.Route{Dst: ipNet(route.Pods), Gw: route.Via.AsSlice(), LinkIndex: link.Attrs().Index, Protocol: protocol}
		if route.Tunnel {
			entry.Gw, entry.LinkIndex, entry.Flags = gateway(route.Pods).AsSlice(), tunnel.Attrs().Index, int(netlink.FLAG_ONLINK)
		}
		wanted[entry.Dst.String()] = entry
	}
	return setRoutes(wanted)
}

func setRoutes(wanted map[string]netlink.Route) error {
	existing, err := ownRoutes()
	if err != nil {
		return err
	}
	for _, route := range existing {
		if _, keep := wanted[route.Dst.String()]; keep {
			continue
		}
		if err := netlink.RouteDel(&route); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("remove the route to %s: %w", route.Dst, err)
		}
	}
	for _, route := range wanted {
		if err := netlink.RouteReplace(&route); err != nil {
			return fmt.Errorf("route to %s: %w", route.Dst, err)
		}
	}
	return nil
}

func ownRoutes() ([]netlink.Route, error) {
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Protocol: protocol}, netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	return routes, nil
}

// Remove takes away what Apply has made for a network of that name. Where its
// device is gone there is nothing left to remove: call it before that.
func Remove(name string) error {
	n := Network{Name: name}
	_, err := netlink.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return RemoveLink(n.Tunnel())
	}
	if err != nil {
		return err
	}
	return errors.Join(setRoutes(nil), RemoveLink(n.Tunnel()))
}

// RemoveLink removes a network device, if it is there.
func RemoveLink(name string) error {
	link, err := netlink.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err == nil {
		err = netlink.LinkDel(link)
	}
	if err != nil {
		return fmt.Errorf("remove network device %s: %w", name, err)
	}
	return nil
}

func ipNet(prefix netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), 32)}
}
