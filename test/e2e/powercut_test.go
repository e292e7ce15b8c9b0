package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/test/hosts"
	"github.com/mainstay-io/mainstay/test/hosts/network"
	"github.com/mainstay-io/mainstay/test/netdisk/netdisktest"
)

// networkPet is a set whose pet has a disk on the network.
var networkPet = netdisktest.Manifest + `
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: moving}
spec:
  serviceName: moving
  selector: {matchLabels: {app: moving}}
  template:
    metadata: {labels: {app: moving}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: moving
        image: ` + hosts.BusyboxImage + `
        command: [sleep, "1000000"]
        volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec:
      accessModes: [ReadWriteOnce]
      storageClassName: netdisk
      resources: {requests: {storage: 100Mi}}
`

// TestPowerCut cuts the power of a machine on which sets run, with volumes of the
// machine and on the network. What the pets have synced is there when the machine is
// back.
func TestPowerCut(t *testing.T) {
	t.Parallel() // with the other engines
	n := hosts.NewNetwork(t, 1, network.Options{Hosts: 1, DiskBytes: 8 << 30})
	disks := netdisktest.Start(t, n.Network)
	h := n.Hosts[0]
	disks.StartDriver(t, h.Virtual, filepath.Join(h.DataDir, "kubelet"), 30*time.Second)
	h.Up(t)
	h.ImportBusybox(t)
	h.Apply(t, webSet)
	h.Apply(t, networkPet)
	waitReady(t, h, "web", 3)
	waitReady(t, h, "moving", 1)
	for _, pet := range []string{"web-0", "moving-0"} {
		h.Kubectl(t, "exec", pet, "--", "sh", "-c", "echo synced >/data/synced && sync")
	}
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
	disks.StartDriver(t, h.Virtual, filepath.Join(h.DataDir, "kubelet"), 30*time.Second)
	h.Up(t)
	for _, pet := range []string{"web-0", "moving-0"} {
		hosts.Eventually(t, 60*time.Second, func(context.Context) error {
			said, err := h.Command("kubectl", "exec", pet, "--", "cat", "/data/synced").CombinedOutput()
			if err == nil && string(said) != "synced\n" {
				err = errors.New("it is something else")
			}
			if err != nil {
				return fmt.Errorf("what %s has synced is %q: %w", pet, said, err)
			}
			return nil
		})
	}
	if events := disks.Record(t); len(events) == 0 {
		t.Error("nothing was recorded")
	}
}
