// Package hosts makes machines for tests, on the one kernel that runs the test.
//
// New makes one host, which is a network namespace with an address of its own and a
// data directory: what is started on it sees only the host's network; files, cgroups
// and processes are the machine's. NewNetwork makes several that have all of this for
// themselves, and can be broken: see the package network.
package hosts

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	nodeutil "k8s.io/component-helpers/node/util"

	"github.com/mainstay-io/mainstay/test/hosts/network"
)

// Host is one machine.
type Host struct {
	Name    string
	IP      net.IP // in the range that RFC 2544 sets aside for tests
	DataDir string
	// Virtual breaks the host; nil for one that New made.
	Virtual *network.Host
	binary  string
}

// New makes a host that ends with the test, whatever the test leaves on it.
// Numbers tell hosts apart: 1 to 250. The path of the binary comes from
// MAINSTAY_BINARY; `make` sets it.
func New(t testing.TB, number int) *Host {
	t.Helper()
	binary := needs(t)
	h := &Host{
		Name:    fmt.Sprintf("mainstay-test-%d", number),
		IP:      net.IPv4(198, 18, byte(number), 2),
		DataDir: filepath.Join(t.TempDir(), "data"),
		binary:  binary,
	}
	// A test that was killed may have left its host.
	_ = exec.Command("ip", "netns", "delete", h.Name).Run()
	outside, router := fmt.Sprintf("mst%d", number), fmt.Sprintf("198.18.%d.1", number)
	for _, command := range []string{
		"ip netns add " + h.Name,
		"ip link add " + outside + " type veth peer name eth0 netns " + h.Name,
		"ip address add " + router + "/24 dev " + outside,
		"ip link set " + outside + " up",
		"ip -n " + h.Name + " link set lo up",
		"ip -n " + h.Name + " address add " + h.IP.String() + "/24 dev eth0",
		"ip -n " + h.Name + " link set eth0 up",
		"ip -n " + h.Name + " route add default via " + router,
	} {
		words := strings.Fields(command)
		if output, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", command, err, output)
		}
	}
	t.Cleanup(func() { h.remove(t) })
	// The kernel notices a moment later that the cable is in.
	Eventually(t, 10*time.Second, func(context.Context) error {
		state, err := exec.Command("ip", "-n", h.Name, "-o", "link", "show", "eth0").CombinedOutput()
		if err == nil && !bytes.Contains(state, []byte("state UP")) {
			err = fmt.Errorf("the host's network does not come up: %s", state)
		}
		return err
	})
	return h
}

// Route makes this machine the router between the networks of its hosts, until the test ends.
func Route(t testing.TB) {
	t.Helper()
	const forward = "/proc/sys/net/ipv4/ip_forward"
	before, err := os.ReadFile(forward)
	if err == nil {
		err = os.WriteFile(forward, []byte("1"), 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.WriteFile(forward, before, 0) })
}

// needs returns the path of the binary.
func needs(t testing.TB) (binary string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes network namespaces and runs containers")
	}
	if binary = os.Getenv("MAINSTAY_BINARY"); binary == "" {
		t.Fatal("MAINSTAY_BINARY is not set: run the tests with make")
	}
	return binary
}

func (h *Host) remove(t testing.TB) {
	if t.Failed() {
		h.showLog(t)
	}
	if output, err := h.Command("down", "--purge", "--yes").CombinedOutput(); err != nil {
		t.Errorf("down --purge: %v: %s", err, output)
	}
	if output, err := exec.Command("ip", "netns", "delete", h.Name).CombinedOutput(); err != nil {
		t.Errorf("remove network namespace: %v: %s", err, output)
	}
}

// showLog prints the errors at the end of the engine's log.
func (h *Host) showLog(t testing.TB) {
	content, _ := os.ReadFile(filepath.Join(h.DataDir, "log", "engine.log"))
	lines := strings.Split(string(content), "\n")
	t.Logf("the end of the engine's log:\n%s", strings.Join(lines[max(0, len(lines)-40):], "\n"))
}

// Run prepares a program to run on the host.
func (h *Host) Run(program string, arguments ...string) *exec.Cmd {
	enter := append([]string{"--net=/run/netns/" + h.Name, program}, arguments...)
	command := exec.Command("nsenter", enter...)
	if h.Virtual != nil {
		command = h.Virtual.Run(program, arguments...)
	}
	command.Env = append(os.Environ(), "MAINSTAY_DATA_DIR="+h.DataDir, "KUBECONFIG=")
	return command
}

// Command prepares a mainstay command on the host.
func (h *Host) Command(arguments ...string) *exec.Cmd { return h.Run(h.binary, arguments...) }

// Mainstay runs a mainstay command that must succeed, and returns what it prints.
func (h *Host) Mainstay(t testing.TB, arguments ...string) string {
	t.Helper()
	output, err := h.Command(arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("mainstay %s: %v\n%s", strings.Join(arguments, " "), err, output)
	}
	return string(output)
}

// Up starts Mainstay and returns when its node is Ready.
func (h *Host) Up(t testing.TB, arguments ...string) string {
	t.Helper()
	return h.Mainstay(t, append([]string{"up", "--node-name", h.Name}, arguments...)...)
}

// Kubectl runs a kubectl command that must succeed.
func (h *Host) Kubectl(t testing.TB, arguments ...string) string {
	t.Helper()
	return h.Mainstay(t, append([]string{"kubectl"}, arguments...)...)
}

// Apply applies a manifest.
func (h *Host) Apply(t testing.TB, manifest string) {
	t.Helper()
	command := h.Command("kubectl", "apply", "-f", "-")
	command.Stdin = strings.NewReader(manifest)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("kubectl apply: %v\n%s", err, output)
	}
}

// WaitReady waits until the host's node is Ready.
func (h *Host) WaitReady(t testing.TB, client kubernetes.Interface) {
	t.Helper()
	Eventually(t, 40*time.Second, func(ctx context.Context) error {
		node, err := client.CoreV1().Nodes().Get(ctx, h.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if _, ready := nodeutil.GetNodeCondition(&node.Status, corev1.NodeReady); ready == nil || ready.Status != corev1.ConditionTrue {
			return fmt.Errorf("node %s is not Ready: %v", h.Name, ready)
		}
		return nil
	})
}

// Access returns how the test itself reaches the host's API, as administrator.
func (h *Host) Access(t testing.TB) *rest.Config {
	t.Helper()
	access, err := clientcmd.BuildConfigFromFlags("https://"+h.IP.String()+":6443", filepath.Join(h.DataDir, "kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	access.QPS = -1
	return access
}

// Client returns a client of the host's API.
func (h *Host) Client(t testing.TB) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(h.Access(t))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// Eventually waits until check returns nil; it fails the test with check's last
// error when that takes longer than limit.
func Eventually(t testing.TB, limit time.Duration, check func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for {
		err := check(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s: %v", limit, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Output runs a program on the host and returns what it prints, trimmed.
func (h *Host) Output(t testing.TB, program string, arguments ...string) string {
	t.Helper()
	var errors bytes.Buffer
	command := h.Run(program, arguments...)
	command.Stderr = &errors
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%s %s: %v: %s%s", program, strings.Join(arguments, " "), err, output, errors.String())
	}
	return strings.TrimSpace(string(output))
}

// Within calls do with this goroutine on the host's network: sockets that it
// opens itself are the host's.
func (h *Host) Within(t testing.TB, do func()) {
	t.Helper()
	if err := network.Within(h.Name, func() error { do(); return nil }); err != nil {
		t.Fatal(err)
	}
}

// Dial connects from the host's network.
func (h *Host) Dial(ctx context.Context, address string) (net.Conn, error) {
	var connection net.Conn
	err := network.Within(h.Name, func() (err error) {
		connection, err = (&net.Dialer{}).DialContext(ctx, "tcp", address)
		return err
	})
	return connection, err
}
