package podroutes

import (
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netns"
)

// alone puts the test on a network of its own: a device with an address, and what
// the engine has made before it routes anything.
func alone(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes a network namespace")
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the test, and the namespace with it
	network, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { network.Close() })
	for _, command := range []string{
		"ip link add uplink type veth peer name cable", "ip link set cable up", "ip link set uplink up", "ip address add 192.0.2.1/24 dev uplink",
		"ip link add mainstay-t type bridge", "ip link set mainstay-t up", "nft add table ip mainstay-t",
		"ip route add 10.9.0.0/16 via 192.0.2.9", // somebody else's
	} {
		run(t, command)
	}
}

func run(t *testing.T, command string) string {
	t.Helper()
	words := strings.Fields(command)
	output, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", command, err, output)
	}
	return string(output)
}

// TestApply takes a kernel from one set of routes to the next.
func TestApply(t *testing.T) {
	alone(t)
	network := Network{Name: "mainstay-t", Address: netip.MustParseAddr("192.0.2.1"), Pods: netip.MustParsePrefix("10.42.0.0/24")}
	direct := Route{Pods: netip.MustParsePrefix("10.42.1.0/24"), Via: netip.MustParseAddr("192.0.2.2")}
	tunnel := Route{Pods: netip.MustParsePrefix("10.42.2.0/24"), Via: netip.MustParseAddr("198.51.100.3"), Tunnel: true}
	other := Route{Pods: netip.MustParsePrefix("10.42.3.0/24"), Via: netip.MustParseAddr("198.51.100.4"), Tunnel: true}
	back := Route{Pods: tunnel.Pods, Via: netip.MustParseAddr("192.0.2.3")}
	const (
		byRoute  = "10.42.1.0/24 via 192.0.2.2 dev uplink"
		byTunnel = "10.42.2.0/24 via 10.42.2.1 dev vxlan-t"
		peer     = "0a:58:c6:33:64:03 dev vxlan-t dst 198.51.100.3"
		guard    = "ip saddr 198.51.100.3 accept"
	)
	run(t, "ip route add default via 192.0.2.254")
	for _, step := range []struct {
		name        string
		routes      []Route
		there, gone []string
	}{
		{"nothing", nil, nil, []string{"10.42.", "vxlan"}},
		{"a neighbour", []Route{direct}, []string{byRoute}, []string{"vxlan"}},
		{"one behind a router", []Route{direct, tunnel}, []string{byRoute, byTunnel, peer, guard, "udp dport 4789 "}, nil},
		{"the same again", []Route{direct, tunnel}, []string{byRoute, byTunnel, peer, guard}, nil},
		{"another instead", []Route{other}, []string{"10.42.3.0/24 via 10.42.3.1 dev vxlan-t", "198.51.100.4"}, []string{"10.42.1.0/24", "10.42.2.", "198.51.100.3"}},
		{"the first has moved next door", []Route{direct, back}, []string{byRoute, "10.42.2.0/24 via 192.0.2.3 dev uplink"}, []string{"vxlan-t", "udp dport"}},
	} {
		if err := network.Apply(t.Context(), step.routes); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		expect(t, step.name, append(step.there, "10.9.0.0/16 via 192.0.2.9"), step.gone)
	}
	if err := network.Apply(t.Context(), []Route{direct, tunnel}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // once more is harmless
		if err := Remove("mainstay-t"); err != nil {
			t.Fatal(err)
		}
		expect(t, "removed", []string{"10.9.0.0/16 via 192.0.2.9"}, []string{"10.42.", "vxlan-t"})
	}
}

func expect(t *testing.T, when string, there, gone []string) {
	t.Helper()
	state := run(t, "ip route") + run(t, "ip -o link") + run(t, "bridge fdb") + run(t, "ip neigh") + run(t, "nft list ruleset")
	for _, text := range there {
		if !strings.Contains(state, text) {
			t.Errorf("%s: %q is not there:\n%s", when, text, state)
		}
	}
	for _, text := range gone {
		if strings.Contains(state, text) {
			t.Errorf("%s: %q is there:\n%s", when, text, state)
		}
	}
}
