package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// The driver of the page, and the image that stands in for its vendor's.
const (
	vendorsDriver = "disk.example.com"
	vendorsImage  = "mainstay.dev/test/disk-driver:1"
)

// otherStorage is where the host has the directories of the page.
func otherStorage(h *hosts.Host, name string) string {
	return filepath.Join(filepath.Dir(h.DataDir), "other", name)
}

// pagesManifests are those of docs/storage.md, for this host: of a local volume, a
// hostPath, NFS; of a vendor's CSIDriver, DaemonSet, class with a pod, and class of
// snapshots.
func pagesManifests(t *testing.T, h *hosts.Host) []string {
	t.Helper()
	var manifests []string
	for _, manifest := range examples(t, "storage.md", "yaml") {
		manifests = append(manifests, strings.NewReplacer(
			"/var/lib/mainstay", h.DataDir, "/srv", otherStorage(h, ""), "my-node", h.Name, "registry.example.com/disk-driver:1", vendorsImage,
		).Replace(manifest))
	}
	if len(manifests) != 7 {
		t.Fatalf("the page has %d manifests", len(manifests))
	}
	return manifests
}

// startOtherStorage does what docs/storage.md tells, with the manifests that stand
// there. Of a vendor's driver it installs the driver alone.
func startOtherStorage(t *testing.T, h *hosts.Host) {
	for _, name := range []string{"archive", "logs"} {
		if err := os.MkdirAll(otherStorage(h, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(otherStorage(h, "logs/today"), []byte("quiet\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	h.Mainstay(t, "image", "import", hosts.WriteProgramImage(t, "../csidriver/serve", vendorsImage, vendorsDriver))
	manifests := pagesManifests(t, h)
	slices.Reverse(manifests) // the driver comes after its claims, and that is no matter
	h.Apply(t, strings.Join(manifests, "\n---\n"))
}

func tryOtherStorage(t *testing.T, h *hosts.Host) {
	t.Run("directories of the machine", func(t *testing.T) { tryDirectories(t, h) })
	t.Run("an NFS server that cannot be mounted", func(t *testing.T) { tryNFS(t, h) })
	t.Run("a vendor's CSI driver", func(t *testing.T) { tryVendorsDriver(t, h) })
}

func tryDirectories(t *testing.T, h *hosts.Host) {
	waitPod(t, h, "default", "archivist")
	waitPod(t, h, "default", "collector")
	if log, err := os.ReadFile(otherStorage(h, "archive/log")); err != nil || !strings.Contains(string(log), "UTC") {
		t.Errorf("the archive's log is %q (%v)", log, err)
	}
	if said := h.Kubectl(t, "exec", "collector", "--", "cat", "/logs/today"); said != "quiet\n" {
		t.Errorf("the collector reads %q", said)
	}
	h.Kubectl(t, "delete", "--wait=false", "pod/archivist", "pod/collector", "pvc/archive", "pv/archive")
}

// tryNFS finds the mount's own words on the pod. (That a server is mounted can only
// be tried where the kernel has a client.)
func tryNFS(t *testing.T, h *hosts.Host) {
	hosts.Eventually(t, 30*time.Second, func(context.Context) error {
		events := h.Kubectl(t, "get", "events", "--field-selector", "involvedObject.name=reader", "-o", "jsonpath={.items[*].message}")
		if !strings.Contains(events, `MountVolume.SetUp failed for volume "shared"`) || !strings.Contains(events, "192.0.2.10:/export/shared") {
			return errors.New(events)
		}
		return nil
	})
	h.Kubectl(t, "delete", "--wait=false", "pod/reader", "pvc/shared", "pv/shared")
}

// tryVendorsDriver lets a claim of the driver's class live.
func tryVendorsDriver(t *testing.T, h *hosts.Host) {
	waitPod(t, h, "default", "cinema")
	directory := vendorsVolume(t, h, "films")
	if node, err := os.ReadFile(filepath.Join(directory, "attached")); err != nil || string(node) != h.Name {
		t.Errorf("the volume is attached to %q (%v)", node, err)
	}
	logged := logOfFilms(t, directory)
	t.Run("it is killed, and the volume grows", func(t *testing.T) { tryVendorsDriverKilled(t, h) })
	t.Run("a snapshot is restored", func(t *testing.T) { tryVendorsSnapshot(t, h, logged) })
	h.Kubectl(t, "delete", "--wait=false", "pod/cinema", "pod/cinema-again", "pvc/films", "pvc/films-again", "volumesnapshot/films")
}

// tryOtherStorageGone looks for what is left. The driver itself stays until the
// engine goes down.
func tryOtherStorageGone(t *testing.T, h *hosts.Host) {
	hosts.Eventually(t, 60*time.Second, func(context.Context) error {
		left, err := filepath.Glob(otherStorage(h, "disks/*/*"))
		if attachments := h.Kubectl(t, "get", "volumeattachments", "-o", "name"); err == nil && (len(left) > 0 || attachments != "") {
			err = fmt.Errorf("left: %v %s", left, attachments)
		}
		return err
	})
	h.Kubectl(t, "delete", "csidriver/"+vendorsDriver)
	hosts.Eventually(t, 20*time.Second, func(context.Context) error {
		told := h.Kubectl(t, "get", "csistoragecapacities", "-A", "-o", "jsonpath={.items[?(@.storageClassName=='disk')].metadata.name}")
		lease := h.Kubectl(t, "get", "lease", "-n", "kube-system", "mainstay-sidecars-"+vendorsDriver, "-o", "jsonpath={.spec.holderIdentity}")
		if told != "" || lease != "" {
			return fmt.Errorf("the scheduler is still told of %s; %s holds the Lease", told, lease)
		}
		return nil
	})
}

// vendorsVolume is the directory of a claim's volume.
func vendorsVolume(t *testing.T, h *hosts.Host, claim string) string {
	t.Helper()
	return otherStorage(h, "disks/volumes/"+strings.TrimSpace(h.Kubectl(t, "get", "pvc", claim, "-o", "jsonpath={.spec.volumeName}")))
}

// logOfFilms is what the first pod wrote into its volume.
func logOfFilms(t *testing.T, volume string) string {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(volume, "data/log"))
	if err != nil || !strings.Contains(string(log), "UTC") {
		t.Errorf("the volume's log is %q (%v)", log, err)
	}
	return string(log)
}

// tryVendorsDriverKilled: what is asked of a driver that is away is done when it is
// back.
func tryVendorsDriverKilled(t *testing.T, h *hosts.Host) {
	h.Kubectl(t, "delete", "pod", "-n", "kube-system", "-l", "app=disk-driver", "--grace-period=0", "--force")
	h.Kubectl(t, "patch", "pvc", "films", "-p", `{"spec":{"resources":{"requests":{"storage":"20Gi"}}}}`)
	h.Kubectl(t, "delete", "pod", "cinema", "--timeout=60s")
	h.Kubectl(t, "wait", "--for=jsonpath={.spec.capacity.storage}=20Gi", "pv/"+filepath.Base(vendorsVolume(t, h, "films")), "--timeout=60s")
	h.Apply(t, fmt.Sprintf(cinemaPod, "cinema", "films"))
	waitPod(t, h, "default", "cinema")
	h.Kubectl(t, "wait", "--for=jsonpath={.status.capacity.storage}=20Gi", "pvc/films", "--timeout=60s")
	if log := h.Kubectl(t, "exec", "cinema", "--", "cat", "/films/log"); strings.Count(log, "\n") != 1 {
		t.Errorf("the log is %q", log)
	}
}

// cinemaPod uses a claim, and writes nothing.
const cinemaPod = `
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: cinema, image: "` + hosts.BusyboxImage + `", command: [sleep, "1000000"], volumeMounts: [{name: films, mountPath: /films}]}
  volumes: [{name: films, persistentVolumeClaim: {claimName: %s}}]
`

func tryVendorsSnapshot(t *testing.T, h *hosts.Host, logged string) {
	h.Apply(t, `
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshot
metadata: {name: films}
spec:
  volumeSnapshotClassName: disk
  source: {persistentVolumeClaimName: films}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: films-again}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: disk
  resources: {requests: {storage: 20Gi}}
  dataSource: {apiGroup: snapshot.storage.k8s.io, kind: VolumeSnapshot, name: films}
---`+fmt.Sprintf(cinemaPod, "cinema-again", "films-again"))
	waitPod(t, h, "default", "cinema-again")
	if again := logOfFilms(t, vendorsVolume(t, h, "films-again")); again != logged {
		t.Errorf("restored is %q, not %q", again, logged)
	}
}
