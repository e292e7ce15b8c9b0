package network

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// newNetwork makes a network that ends with the test.
func newNetwork(t *testing.T, options Options) *Network {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes network namespaces")
	}
	n, err := New("try", 250, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, n.Remove()) })
	return n
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// output runs a program that must succeed.
func output(t *testing.T, h *Host, program string, arguments ...string) string {
	t.Helper()
	text, err := h.Run(program, arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("on %s: %s %v: %v: %s", h.Name(), program, arguments, err, text)
	}
	return strings.TrimSpace(string(text))
}

// start starts a shell script in the background, and returns when it has said that
// it is ready.
func start(t *testing.T, h *Host, script string) {
	t.Helper()
	command := h.Run("sh", "-c", script+"\nexec sleep 1000")
	said, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	line := make([]byte, 6)
	if n, _ := said.Read(line); string(line[:n]) != "ready\n" {
		t.Fatalf("on %s: %s: it said %q", h.Name(), script, line[:n])
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
}

func size(t *testing.T, file string) int64 {
	t.Helper()
	info, err := os.Stat(file)
	must(t, err)
	return info.Size()
}

func grows(t *testing.T, file string) bool {
	t.Helper()
	before := size(t, file)
	return poll(300*time.Millisecond, func() (bool, error) { return size(t, file) > before, nil }) == nil
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name    string
		number  int
		options Options
		want    string
	}{
		{"Net", 1, Options{Hosts: 1}, `cannot be called "Net"`},
		{"../etc", 1, Options{Hosts: 1}, `cannot be called`},
		{"net", 0, Options{Hosts: 1}, "1 to 250, not 0"},
		{"net", 1, Options{}, "1 to 200 hosts, not 0"},
		{"net", 1, Options{Hosts: 1, DiskBytes: 1}, "at least 32 MiB"},
	} {
		if _, err := New(c.name, c.number, c.options); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("New(%q, %d, %+v): %v", c.name, c.number, c.options, err)
		}
	}
}

func TestHostsAreApart(t *testing.T) {
	n := newNetwork(t, Options{Hosts: 2})
	one, two := n.Hosts[0], n.Hosts[1]
	if name := output(t, two, "hostname"); name != "try-2" {
		t.Errorf("the host is called %q", name)
	}
	if devices := output(t, one, "ls", "/sys/class/net"); devices != "eth0\nlo" {
		t.Errorf("it has the devices %q", devices)
	}
	if directory := output(t, one, "pwd"); directory == "/" {
		t.Error("programs do not start where they are called")
	}
	mountpoint := t.TempDir()
	output(t, one, "mount", "-t", "tmpfs", "tmpfs", mountpoint)
	if mounts := output(t, two, "cat", "/proc/self/mountinfo"); strings.Contains(mounts, mountpoint) {
		t.Error("one host sees what another has mounted")
	}
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(mounts), mountpoint) {
		t.Errorf("the machine sees what a host has mounted (%v)", err)
	}

	// All that is started is in the host's cgroups, and sees them as the roots.
	pid := filepath.Join(t.TempDir(), "pid")
	start(t, one, "echo $$ >"+pid+"; grep -v -e ':/$' -e ':/session$' /proc/self/cgroup || echo ready")
	number, err := os.ReadFile(pid)
	must(t, err)
	groups, err := os.ReadFile("/proc/" + strings.TrimSpace(string(number)) + "/cgroup")
	must(t, err)
	for _, line := range strings.Split(strings.TrimSpace(string(groups)), "\n") {
		if !strings.HasSuffix(line, ":/try-1") && !strings.HasSuffix(line, ":/try-1/session") {
			t.Errorf("a process of try-1 is in %s", line)
		}
	}
	for _, tree := range must1(t, hierarchies) {
		if content := output(t, one, "ls", tree.mountpoint); strings.Contains(content, "try-1") {
			t.Errorf("in %s the host sees %s", tree.mountpoint, content)
		}
	}
}

func must1[T any](t *testing.T, get func() (T, error)) T {
	t.Helper()
	value, err := get()
	must(t, err)
	return value
}

// A test that was killed leaves its network; the next one of that name replaces it.
func TestAgain(t *testing.T) {
	old := newNetwork(t, Options{Hosts: 2, DiskBytes: minDisk})
	output(t, old.Hosts[1], "touch", old.Hosts[1].DataDir()+"/old")
	start(t, old.Hosts[1], "echo ready")
	n := newNetwork(t, Options{Hosts: 1})
	if exists(old.Hosts[1].DataDir()) || exists(n.Hosts[0].DataDir()+"/old") {
		t.Error("the disks of the old network are there")
	}
	opened, err := Open("try")
	must(t, err)
	if len(opened.Hosts) != 1 || !opened.Hosts[0].On() {
		t.Errorf("opened again it is %+v", opened)
	}
	if _, err := opened.Host("try-2"); err == nil || !strings.Contains(err.Error(), "try-1 to try-1") {
		t.Errorf("a host that is not there: %v", err)
	}
}
