package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"sigs.k8s.io/knftables"
)

// cniPlugins is where Debian's containernetworking-plugins puts its programs.
const cniPlugins = "/usr/lib/cni"

// podNetwork connects this node's pods. Every pod has a link of its own to the
// machine, which routes between them: so each packet passes the rules of
// kube-proxy, with no need of a bridge and of br_netfilter.
type podNetwork struct {
	paths Paths
	name  string     // of the network device and of the nftables table
	pods  *net.IPNet // this node's share of PodCIDR
	// where the container runtime looks for the network that it connects pods to
	configDir string
}

// networkFile comes before others in a directory that holds more networks: the
// runtime takes the first.
const networkFile = "00-mainstay.conflist"

// gateway is the node as its pods see it: the first address of their range. It
// lives on a bridge without ports (which every kernel has), so that DNS can listen
// on it before there is a pod.
func (n podNetwork) gateway() net.IP {
	ip := append(net.IP(nil), n.pods.IP.To4()...)
	ip[3]++
	return ip
}

// ensure makes the device, the packet rules and the configuration from which
// the container runtime connects pods. Repeating it is harmless.
func (n podNetwork) ensure(ctx context.Context) error {
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
		return fmt.Errorf("let this machine forward packets (sysctl net.ipv4.ip_forward=1): %w", err)
	}
	if err := n.ensureDevice(); err != nil {
		return fmt.Errorf("network device %s: %w", n.name, err)
	}
	if err := n.ensureRules(ctx); err != nil {
		return fmt.Errorf("nftables table %s: %w", n.name, err)
	}
	config, err := n.cniConfig()
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(n.configDir, networkFile), config)
}

func (n podNetwork) ensureDevice() error {
	holder := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: n.name}}
	if err := netlink.LinkAdd(holder); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	link, err := netlink.LinkByName(n.name)
	if err != nil {
		return err
	}
	address := &netlink.Addr{IPNet: &net.IPNet{IP: n.gateway(), Mask: net.CIDRMask(32, 32)}}
	if err := netlink.AddrReplace(link, address); err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}

// ensureRules gives packets from pods to the world this machine's address, and
// keeps the gateway address for pods and for this machine itself.
func (n podNetwork) ensureRules(ctx context.Context) error {
	nft, err := knftables.New(knftables.IPv4Family, n.name)
	if err != nil {
		return err
	}
	transaction := nft.NewTransaction()
	transaction.Add(&knftables.Table{Comment: knftables.PtrTo("Mainstay's pods")})
	for _, chain := range []knftables.Chain{
		{
			Name: "postrouting", Type: knftables.PtrTo(knftables.NATType),
			Hook: knftables.PtrTo(knftables.PostroutingHook), Priority: knftables.PtrTo(knftables.SNATPriority),
		},
		{
			Name: "input", Type: knftables.PtrTo(knftables.FilterType),
			Hook: knftables.PtrTo(knftables.InputHook), Priority: knftables.PtrTo(knftables.FilterPriority),
		},
	} {
		transaction.Add(&chain)
		transaction.Flush(&chain)
	}
	transaction.Add(&knftables.Rule{Chain: "postrouting", Rule: knftables.Concat(
		"ip saddr", n.pods, "ip daddr != {", PodCIDR, ", 224.0.0.0/4 } masquerade")})
	transaction.Add(&knftables.Rule{Chain: "input", Rule: knftables.Concat(
		"ip daddr", n.gateway(), "ip saddr !=", PodCIDR, "iif != lo drop")})
	return nft.Run(ctx, transaction)
}

// cniConfig is a chain of CNI's reference plugins: a point-to-point link with an
// address from this node's share, and host ports.
func (n podNetwork) cniConfig() ([]byte, error) {
	mtu, err := uplinkMTU()
	if err != nil {
		return nil, err
	}
	return json.MarshalIndent(map[string]any{
		"cniVersion": "1.0.0",
		"name":       n.name,
		"plugins": []any{
			map[string]any{
				"type": "ptp", "mtu": mtu,
				"ipam": map[string]any{
					"type": "host-local", "dataDir": n.paths.cniState(),
					"ranges": []any{[]any{map[string]string{"subnet": n.pods.String()}}},
					"routes": []any{map[string]string{"dst": "0.0.0.0/0"}},
				},
			},
			map[string]any{"type": "portmap", "capabilities": map[string]bool{"portMappings": true}, "snat": true},
		},
	}, "", "  ")
}

// uplinkMTU is the packet size of the device behind the default route, which
// pods must not exceed; 1500 on a machine without one.
func uplinkMTU() (int, error) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return 0, fmt.Errorf("list routes: %w", err)
	}
	for _, route := range routes {
		if route.Dst != nil && !route.Dst.IP.IsUnspecified() {
			continue
		}
		link, err := netlink.LinkByIndex(route.LinkIndex)
		if err != nil {
			return 0, fmt.Errorf("device of the default route: %w", err)
		}
		return link.Attrs().MTU, nil
	}
	return 1500, nil
}
