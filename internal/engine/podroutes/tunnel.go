package podroutes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"sigs.k8s.io/knftables"
)

const (
	// tunnelPort is IANA's for VXLAN.
	tunnelPort = 4789
	// tunnelID tells our VXLAN from others between the same machines.
	tunnelID = 1042
)

// ensureTunnel makes the VXLAN's device, and tells it where its peers are.
func (n Network) ensureTunnel(link netlink.Link, peers []Route) (netlink.Link, error) {
	device, err := n.ensureTunnelDevice(link)
	if err != nil {
		return nil, err
	}
	// Where pods' addresses are asked for, the machine itself answers from its range:
	// so what it sends to pods elsewhere is answered through the tunnel, too.
	own := &netlink.Addr{IPNet: &net.IPNet{IP: n.Pods.Masked().Addr().AsSlice(), Mask: net.CIDRMask(32, 32)}}
	if err := netlink.AddrReplace(device, own); err != nil {
		return nil, err
	}
	if err := netlink.LinkSetUp(device); err != nil {
		return nil, err
	}
	return device, setNeighbours(device, peers)
}

func (n Network) ensureTunnelDevice(link netlink.Link) (netlink.Link, error) {
	wanted := &netlink.Vxlan{
		LinkAttrs: netlink.LinkAttrs{Name: n.Tunnel(), HardwareAddr: hardwareAddress(n.Address)},
		VxlanId:   tunnelID, VtepDevIndex: link.Attrs().Index, SrcAddr: n.Address.AsSlice(), Port: tunnelPort,
	}
	existing, err := netlink.LinkByName(n.Tunnel())
	if err == nil {
		found, ok := existing.(*netlink.Vxlan)
		if ok && found.VxlanId == tunnelID && found.VtepDevIndex == wanted.VtepDevIndex && found.SrcAddr.Equal(wanted.SrcAddr) {
			return found, nil
		}
		if err := netlink.LinkDel(existing); err != nil { // the machine's address has changed
			return nil, err
		}
	} else if !errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil, err
	}
	if err := netlink.LinkAdd(wanted); err != nil {
		return nil, err
	}
	return netlink.LinkByName(n.Tunnel())
}

// setNeighbours makes the device know these peers and no others: which hardware
// address has the gateway of a peer's pods, and which machine has that.
func setNeighbours(device netlink.Link, peers []Route) error {
	var wanted []netlink.Neigh
	for _, peer := range peers {
		entry := netlink.Neigh{LinkIndex: device.Attrs().Index, State: netlink.NUD_PERMANENT, HardwareAddr: hardwareAddress(peer.Via)}
		address, machine := entry, entry
		address.Family, address.Type, address.IP = unix.AF_INET, unix.RTN_UNICAST, gateway(peer.Pods).AsSlice()
		machine.Family, machine.Flags, machine.IP = unix.AF_BRIDGE, netlink.NTF_SELF, peer.Via.AsSlice()
		wanted = append(wanted, address, machine)
	}
	for _, family := range []int{unix.AF_INET, unix.AF_BRIDGE} {
		existing, err := netlink.NeighList(device.Attrs().Index, family)
		if err != nil {
			return fmt.Errorf("list neighbours: %w", err)
		}
		for _, entry := range existing {
			known := slices.ContainsFunc(wanted, func(w netlink.Neigh) bool {
				return w.Family == family && w.IP.Equal(entry.IP) && w.HardwareAddr.String() == entry.HardwareAddr.String()
			})
			if known || entry.State&netlink.NUD_PERMANENT == 0 || entry.IP == nil {
				continue
			}
			if err := netlink.NeighDel(&entry); err != nil && !errors.Is(err, unix.ENOENT) {
				return fmt.Errorf("forget neighbour %s: %w", entry.IP, err)
			}
		}
	}
	for _, entry := range wanted {
		if err := netlink.NeighSet(&entry); err != nil {
			return fmt.Errorf("neighbour %s: %w", entry.IP, err)
		}
	}
	return nil
}

// guard lets only the machines behind the tunnel send into it: a VXLAN believes
// whatever it is sent. Other VXLANs of this machine are left alone.
func (n Network) guard(ctx context.Context, peers []Route) error {
	nft, err := knftables.New(knftables.IPv4Family, n.Name)
	if err != nil {
		return err
	}
	const chain = "tunnel"
	transaction := nft.NewTransaction()
	transaction.Add(&knftables.Chain{
		Name: chain, Type: knftables.PtrTo(knftables.FilterType),
		Hook: knftables.PtrTo(knftables.InputHook), Priority: knftables.PtrTo(knftables.FilterPriority),
	})
	transaction.Flush(&knftables.Chain{Name: chain})
	if len(peers) == 0 {
		transaction.Delete(&knftables.Chain{Name: chain})
		return nft.Run(ctx, transaction)
	}
	// The network's number stands in the 24 bits from bit 32 of VXLAN's header, which
	// follows the 64 bits of UDP's.
	ours := knftables.Concat("udp dport", tunnelPort, "@th,96,24", tunnelID)
	for _, peer := range peers {
		transaction.Add(&knftables.Rule{Chain: chain, Rule: knftables.Concat(ours, "ip saddr", peer.Via, "accept")})
	}
	transaction.Add(&knftables.Rule{Chain: chain, Rule: knftables.Concat(ours, "drop")})
	return nft.Run(ctx, transaction)
}
