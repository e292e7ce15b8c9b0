package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/test/hosts"
)

const volumeDriverImage = "mainstay.dev/test/mainstay:1"

// TestVolumeDriver runs the driver of volumes on a Kubernetes that is not ours,
// in a container, as `mainstay volume-driver manifests` installs it.
func TestVolumeDriver(t *testing.T) {
	h := hosts.New(t, 6)
	began := time.Now()
	n := startStockNode(t, h)
	t.Cleanup(func() { n.showDriver(t) })
	n.importImage(t, programImage(t, volumeDriverImage, os.Getenv("MAINSTAY_BINARY"), "mount", "blkid", "fsfreeze",
		"head", "timeout", "mkfs.ext4", "e2fsck", "resize2fs", "mkfs.xfs", "xfs_growfs"))
	n.importImage(t, hosts.WriteBusyboxImage(t))
	t.Logf("the Kubernetes that is not ours took %.1f s", time.Since(began).Seconds())

	manifests, err := exec.Command(os.Getenv("MAINSTAY_BINARY"), "volume-driver", "manifests", "--image", volumeDriverImage,
		"--kubelet-dir", n.kubeletDir, "--pool-dir", n.pool(), "--snapshot-controller").Output()
	if err != nil {
		t.Fatal(err)
	}
	shown := examples(t, "volume-driver.md", "yaml")
	claims, snapshotClass := driverClaims+"---\n"+shown[0], shown[1]
	n.kubectl(t, string(manifests), "apply", "-f", "-")
	n.waitDriver(t, 0)
	n.kubectl(t, driverClasses+claims, "apply", "-f", "-")
	n.kubectl(t, fmt.Sprintf(driverPod, "writer", writeAll), "apply", "-f", "-")
	n.kubectl(t, "", "wait", "pod/writer", "--for=condition=Ready", "--timeout=40s")
	n.checkLimited(t)

	n.killDriver(t)
	n.waitBeat(t)
	n.waitDriver(t, 1)
	n.waitBeat(t)
	n.grow(t)
	n.kubectl(t, snapshotClass+driverSnapshot, "apply", "-f", "-")
	n.kubectl(t, "", "wait", "volumesnapshot/kept", "--for=jsonpath={.status.readyToUse}=true", "--timeout=30s")
	n.waitBeat(t)
	n.kubectl(t, "", "delete", "volumesnapshot/kept", "pod/writer")
	n.kubectl(t, "", "wait", "volumesnapshotcontents", "--all", "--for=delete", "--timeout=20s")
	hosts.Eventually(t, 20*time.Second, func(context.Context) error { // kubelet goes on after the pod has gone
		if loops := n.loops(t); len(loops) > 0 {
			return fmt.Errorf("no pod uses volumes, and still attached are %v", loops)
		}
		return nil
	})
	n.readAll(t, "reader")

	n.kubectl(t, string(manifests), "delete", "-f", "-")
	n.waitNoDriver(t)
	n.kubectl(t, string(manifests), "apply", "-f", "-")
	n.waitDriver(t, 0)
	n.readAll(t, "again")
	n.kubectl(t, claims, "delete", "-f", "-")
	hosts.Eventually(t, 20*time.Second, func(context.Context) error {
		if volumes := n.volumes(t); len(volumes) > 0 {
			return fmt.Errorf("the claims are deleted, and there are still %v", volumes)
		}
		return nil
	})
	t.Logf("all took %.1f s", time.Since(began).Seconds())
}

const driverClasses = `
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: mainstay-xfs}
provisioner: volume.mainstay.dev
parameters: {csi.storage.k8s.io/fstype: xfs}
allowVolumeExpansion: true
volumeBindingMode: WaitForFirstConsumer
---
apiVersion: storage.k8s.io/v1
kind: VolumeAttributesClass
metadata: {name: limited}
driverName: volume.mainstay.dev
parameters: {maxIops: "4321"}
---
`

const driverClaims = `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  storageClassName: mainstay
  volumeAttributesClassName: limited
  accessModes: [ReadWriteOncePod]
  resources: {requests: {storage: 64Mi}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: grows}
spec:
  storageClassName: mainstay-xfs
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 320Mi}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: raw}
spec:
  storageClassName: mainstay
  volumeMode: Block
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 16Mi}}
`

const driverSnapshot = `
---
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshot
metadata: {name: kept}
spec:
  volumeSnapshotClassName: mainstay
  source: {persistentVolumeClaimName: data}
`

const driverPod = `
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: ` + hosts.BusyboxImage + `
    command: [sh, -e, -c, %q]
    volumeMounts: [{name: data, mountPath: /data}, {name: grows, mountPath: /grows}, {name: ledger, mountPath: /ledger}]
    volumeDevices: [{name: raw, devicePath: /raw}]
  volumes:
  - {name: data, persistentVolumeClaim: {claimName: data}}
  - {name: grows, persistentVolumeClaim: {claimName: grows}}
  - {name: ledger, persistentVolumeClaim: {claimName: ledger}}
  - {name: raw, persistentVolumeClaim: {claimName: raw}}
`

const (
	writeAll = `for f in /data/row /grows/row /ledger/row /raw; do echo acknowledged | dd of=$f conv=notrunc,fsync; done
while true; do date +%s.%N > /data/beat; sync /data/beat; sleep 0.1; done`
	readAll = `for f in /data/row /grows/row /ledger/row /raw; do test "$(dd if=$f bs=12 count=1)" = acknowledged; done`
)

func (n *stockNode) pool() string { return filepath.Join(n.machine.DataDir, "volumes") }

// readAll fails the test unless a pod finds what the first one wrote.
func (n *stockNode) readAll(t *testing.T, pod string) {
	t.Helper()
	n.kubectl(t, fmt.Sprintf(driverPod, pod, readAll), "apply", "-f", "-")
	n.kubectl(t, "", "wait", "pod/"+pod, "--for=jsonpath={.status.phase}=Succeeded", "--timeout=40s")
	n.kubectl(t, "", "delete", "pod/"+pod)
}

// driverPods are those of the driver, deleted ones included that have not gone.
func (n *stockNode) driverPods(ctx context.Context, t *testing.T) []corev1.Pod {
	t.Helper()
	pods, err := n.client.CoreV1().Pods("kube-system").List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=mainstay-volume-driver"})
	if err != nil {
		t.Fatal(err)
	}
	return pods.Items
}

// waitDriver waits until the driver's container is ready, which was restarted so
// many times.
func (n *stockNode) waitDriver(t *testing.T, restarts int32) {
	t.Helper()
	hosts.Eventually(t, 40*time.Second, func(ctx context.Context) error {
		pods := n.driverPods(ctx, t)
		if len(pods) != 1 || len(pods[0].Status.ContainerStatuses) != 1 {
			return fmt.Errorf("there are %d pods of the driver", len(pods))
		}
		if s := pods[0].Status.ContainerStatuses[0]; !s.Ready || s.RestartCount != restarts {
			return fmt.Errorf("the driver is ready: %v, after %d restarts; its state: %v", s.Ready, s.RestartCount, s.State)
		}
		return nil
	})
}

func (n *stockNode) waitNoDriver(t *testing.T) {
	t.Helper()
	hosts.Eventually(t, 40*time.Second, func(ctx context.Context) error {
		if left := len(n.driverPods(ctx, t)); left > 0 {
			return errors.New("the driver's pod stays")
		}
		return nil
	})
	if len(n.volumes(t)) != 4 {
		t.Errorf("without the driver, of four volumes are left %v", n.volumes(t))
	}
}

// showDriver prints the end of the driver's log after a failure.
func (n *stockNode) showDriver(t *testing.T) {
	if !t.Failed() {
		return
	}
	logs, _ := filepath.Glob(n.file("pods/kube-system_mainstay-volume-driver*/driver/*.log"))
	for _, log := range logs {
		showEnd(t, log)
	}
}

// killDriver kills the process in the driver's container.
func (n *stockNode) killDriver(t *testing.T) {
	t.Helper()
	found := n.machine.Output(t, "pgrep", "--full", "^mainstay volume-driver --kubelet-dir "+n.kubeletDir)
	process, err := strconv.Atoi(found)
	if err == nil {
		err = unix.Kill(process, unix.SIGKILL)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// waitBeat waits until the writer has written once more.
func (n *stockNode) waitBeat(t *testing.T) {
	t.Helper()
	beat := func() string {
		content, err := os.ReadFile(filepath.Join(n.mountOf(t, "writer", "data"), "beat"))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	last := beat()
	hosts.Eventually(t, 10*time.Second, func(context.Context) error {
		if beat() == last {
			return errors.New("the pod does not write any more")
		}
		return nil
	})
}

// grow enlarges a claim while its pod uses it.
func (n *stockNode) grow(t *testing.T) {
	t.Helper()
	n.kubectl(t, "", "patch", "pvc/grows", "-p", `{"spec":{"resources":{"requests":{"storage":"400Mi"}}}}`)
	n.kubectl(t, "", "wait", "pvc/grows", "--for=jsonpath={.status.capacity.storage}=400Mi", "--timeout=30s")
	var grown unix.Statfs_t
	// 64 MiB of each xfs are its log.
	if err := unix.Statfs(n.mountOf(t, "writer", "grows"), &grown); err != nil || int64(grown.Blocks)*grown.Bsize < 320<<20 {
		t.Errorf("grown to 400 MiB, the file system has %d blocks of %d bytes (%v)", grown.Blocks, grown.Bsize, err)
	}
}

// mountOf gives the path on the node at which a pod has a claim.
func (n *stockNode) mountOf(t *testing.T, pod, claim string) string {
	t.Helper()
	uid := n.kubectl(t, "", "get", "pod", pod, "-o", "jsonpath={.metadata.uid}")
	volume := n.kubectl(t, "", "get", "pvc", claim, "-o", "jsonpath={.spec.volumeName}")
	return filepath.Join(n.kubeletDir, "pods", uid, "volumes", "kubernetes.io~csi", volume, "mount")
}

// checkLimited fails the test unless the kernel was told of the claim's maximum,
// in a cgroup outside of the driver's container.
func (n *stockNode) checkLimited(t *testing.T) {
	t.Helper()
	hosts.Eventually(t, 10*time.Second, func(context.Context) error {
		for _, file := range []string{"/sys/fs/cgroup/blkio/blkio.throttle.write_iops_device", "/sys/fs/cgroup/*/kubepods/io.max"} {
			matches, _ := filepath.Glob(file)
			for _, match := range matches {
				if limits, _ := os.ReadFile(match); strings.Contains(string(limits), "4321") {
					return nil
				}
			}
		}
		return errors.New("the volume is not held to its maximum")
	})
}

// volumes lists what is in the pool.
func (n *stockNode) volumes(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(n.pool(), "[^.]*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// loops lists the devices that are backed by volumes of the pool, whatever the
// kernel shows of their paths.
func (n *stockNode) loops(t *testing.T) (devices []string) {
	t.Helper()
	for _, volume := range n.volumes(t) {
		found, _ := exec.Command("losetup", "--noheadings", "--output", "NAME", "--associated", filepath.Join(volume, "disk.img")).Output()
		devices = append(devices, strings.Fields(string(found))...)
	}
	return devices
}
