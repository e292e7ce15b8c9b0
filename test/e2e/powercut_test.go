package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/test/hosts"
	"github.com/mainstay-io/mainstay/test/hosts/network"
)

// TestPowerCut cuts the power of a machine on which a set runs. What the pet has
// synced is there when the machine is back, in the same volume.
func TestPowerCut(t *testing.T) {
	n := hosts.NewNetwork(t, 1, network.Options{Hosts: 1, DiskBytes: 8 << 30})
	h := n.Hosts[0]
	h.Up(t)
	h.ImportBusybox(t)
	h.Apply(t, webSet)
	waitReady(t, h, "web", 3)
	h.Kubectl(t, "exec", "web-0", "--", "sh", "-c", "echo synced >/data/synced && sync")
	if err := h.Virtual.PowerOff(); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob("/sys/fs/cgroup/*/" + h.Name); err != nil || len(left) > 0 {
		t.Errorf("cgroups are left: %v %v", left, err)
	}
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(mounts), h.DataDir) {
		t.Errorf("mounts are left: %s", mounts)
	}
	if err := h.Virtual.PowerOn(); err != nil {
		t.Fatal(err)
	}
	h.Up(t)
	hosts.Eventually(t, 60*time.Second, func(context.Context) error {
		if said, err := h.Command("kubectl", "exec", "web-0", "--", "cat", "/data/synced").CombinedOutput(); err != nil || string(said) != "synced\n" {
			return fmt.Errorf("what was synced is %q (%v)", said, err)
		}
		return nil
	})
}
