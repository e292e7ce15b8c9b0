package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// emptyDevice gives a block device that is removed after the host.
func emptyDevice(t *testing.T) string {
	t.Helper()
	medium := filepath.Join(t.TempDir(), "medium")
	if err := os.WriteFile(medium, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(medium, 512<<20); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("losetup", "--find", "--show", medium).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	device := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if out, err := exec.Command("losetup", "--detach", device).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		if files, _ := filepath.Glob("/sys/block/" + filepath.Base(device) + "/loop/backing_file"); len(files) > 0 {
			t.Errorf("%s is still in use after down --purge", device)
		}
	})
	return device
}

// tryPools does what docs/pools.md says, with the pool fast on a block device: a
// claim of its class lives there, and one of a class that no node has a pool for is
// told so. Then the disk is unplugged, and plugged in again.
func tryPools(t *testing.T, h *hosts.Host) {
	shown := examples(t, "pools.md", "yaml")
	h.Apply(t, strings.NewReplacer("name: fast", "name: nowhere", "pool: fast", "pool: nowhere").Replace(shown[0]))
	h.Apply(t, strings.NewReplacer("name: ledger", "name: lost", "storageClassName: fast", "storageClassName: nowhere").Replace(shown[1]))
	h.Apply(t, shown[0])
	h.Apply(t, shown[1])
	h.Apply(t, fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: ledger}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: main, image: %q, command: [sleep, "1000000"], volumeMounts: [{name: data, mountPath: /data}]}
  volumes: [{name: data, persistentVolumeClaim: {claimName: ledger}}]
`, hosts.BusyboxImage))
	waitPod(t, h, "default", "ledger")
	volume := h.Kubectl(t, "get", "pvc", "ledger", "-o", "jsonpath={.spec.volumeName}")
	if handle := h.Kubectl(t, "get", "pv", volume, "-o", "jsonpath={.spec.csi.volumeHandle}"); handle != "fast/"+volume {
		t.Errorf("the volume's handle is %s", handle)
	}
	directory := filepath.Join(h.DataDir, "pools", "fast")
	if _, err := os.Stat(filepath.Join(directory, volume, "disk.img")); err != nil {
		t.Errorf("the volume is not on the device: %v", err)
	}
	resource := h.Name + ".fast"
	pool := func(path, want string) func(context.Context) error {
		return func(context.Context) error {
			if got := h.Kubectl(t, "get", "pool", resource, "-o", "jsonpath={."+path+"}"); got != want {
				return fmt.Errorf("%s of the pool is %q, expected %q", path, got, want)
			}
			return nil
		}
	}
	hosts.Eventually(t, 30*time.Second, pool(`status.volumes[0].claim`, "default/ledger"))
	hosts.Eventually(t, 30*time.Second, pool(`status.conditions[0].status`, "True"))
	if out := h.Mainstay(t, "volumes", "--namespace", "default"); !strings.Contains(out, "POOL") || !strings.Contains(out, "fast") {
		t.Errorf("mainstay volumes:\n%s", out)
	}
	hosts.Eventually(t, time.Minute, func(context.Context) error {
		if events := h.Kubectl(t, "describe", "pvc", "lost"); !strings.Contains(events, "no node has a pool nowhere") {
			return fmt.Errorf("the claim does not say what lacks: %s", events)
		}
		return nil
	})
	h.Kubectl(t, "delete", "pod/ledger", "pvc/lost", "storageclass/nowhere", "--wait=true")

	// While a container is being made anywhere, it has a copy of the mount.
	hosts.Eventually(t, 30*time.Second, func(context.Context) error { return unix.Unmount(directory, 0) })
	hosts.Eventually(t, 30*time.Second, func(context.Context) error {
		_, err := os.Stat(filepath.Join(directory, volume, "disk.img")) // it is mounted again
		return err
	})
	h.Kubectl(t, "delete", "pvc/ledger", "--wait=false")
}
