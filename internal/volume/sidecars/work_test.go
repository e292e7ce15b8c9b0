package sidecars

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	snapshot "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	fakesnapshots "github.com/kubernetes-csi/external-snapshotter/client/v8/clientset/versioned/fake"
	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clientfeatures "k8s.io/client-go/features"
	clientfeaturestesting "k8s.io/client-go/features/testing"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/utils/ptr"

	"github.com/mainstay-io/mainstay/internal/volume/volumetest"
)

// cluster is client-go's in-memory API, with this package on a real driver. What
// kubelet and the controllers of the cluster do, the tests do.
type cluster struct {
	*fake.Clientset
	snapshots *fakesnapshots.Clientset
	vendor    *vendor
}

func newCluster(t *testing.T) cluster {
	t.Helper()
	// The in-memory API of snapshots cannot list by watching.
	clientfeaturestesting.SetFeatureDuringTest(t, clientfeatures.WatchListClient, false)
	driver := csiDriver(driverName, ByEngine)
	driver.Spec.StorageCapacity = ptr.To(true)
	v := newVendor(t)
	c := cluster{
		Clientset: fake.NewClientset(driver, csiNode(thisNode, driverName),
			&core.Node{ObjectMeta: meta.ObjectMeta{Name: thisNode, Labels: map[string]string{v.TopologyKey(): thisNode}}},
			&storage.StorageClass{
				ObjectMeta: meta.ObjectMeta{Name: "disk"}, Provisioner: driverName, AllowVolumeExpansion: ptr.To(true),
				ReclaimPolicy: ptr.To(core.PersistentVolumeReclaimDelete), VolumeBindingMode: ptr.To(storage.VolumeBindingWaitForFirstConsumer),
			},
			&storage.VolumeAttributesClass{ObjectMeta: meta.ObjectMeta{Name: "fast"}, DriverName: driverName, Parameters: map[string]string{"iops": "1000"}},
		),
		snapshots: fakesnapshots.NewSimpleClientset(), //nolint:staticcheck // upstream generates no other
		vendor:    v,
	}
	config, clients := Config{NodeName: thisNode, KubeletDir: v.KubeletDir, Namespace: "kube-system", Holds: always}, clients{c.Clientset, c.snapshots}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, config, clients, func(ctx context.Context, s served) { work(ctx, config, clients, s) })
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return c
}

// claim makes a claim that the scheduler has given to this node, and returns its
// volume.
func (c cluster) claim(t *testing.T, name string) *core.PersistentVolume {
	t.Helper()
	_, err := c.CoreV1().PersistentVolumeClaims("default").Create(t.Context(), &core.PersistentVolumeClaim{
		ObjectMeta: meta.ObjectMeta{Name: name, Namespace: "default", UID: types.UID("uid-" + name), ResourceVersion: "1", Annotations: map[string]string{
			"volume.kubernetes.io/storage-provisioner": driverName, "volume.kubernetes.io/selected-node": thisNode,
		}},
		Spec: core.PersistentVolumeClaimSpec{
			StorageClassName: ptr.To("disk"), AccessModes: []core.PersistentVolumeAccessMode{core.ReadWriteOnce},
			Resources: core.VolumeResourceRequirements{Requests: size("1Gi")},
		},
	}, meta.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return c.volumeOf(t, name)
}

func (c cluster) volumeOf(t *testing.T, claim string) (volume *core.PersistentVolume) {
	t.Helper()
	volumetest.Eventually(t, "the claim "+claim+" has a volume", func() (found bool) {
		var err error
		volume, err = c.CoreV1().PersistentVolumes().Get(t.Context(), "pvc-uid-"+claim, meta.GetOptions{})
		return err == nil
	})
	return volume
}

func size(of string) core.ResourceList {
	return core.ResourceList{core.ResourceStorage: resource.MustParse(of)}
}

// has says whether the driver keeps this of a volume.
func (c cluster) has(volume *core.PersistentVolume, file string) bool {
	_, err := os.Stat(filepath.Join(c.vendor.StateDir, "volumes", volume.Spec.CSI.VolumeHandle, file))
	return err == nil
}

// A volume's life, as far as the sidecars have a part in it.
func TestLife(t *testing.T) {
	c := newCluster(t)
	volume := c.claim(t, "data")
	if !c.has(volume, "data") || volume.Spec.NodeAffinity == nil {
		t.Errorf("the volume is %+v", volume.Spec)
	}
	t.Run("its node's space is told", func(t *testing.T) { c.tryCapacity(t) })
	t.Run("it is attached", func(t *testing.T) { c.tryAttach(t, volume) })
	t.Run("it grows and is modified", func(t *testing.T) { c.tryResize(t, volume) })
	t.Run("a snapshot is taken", func(t *testing.T) { c.trySnapshot(t, volume) })
	t.Run("the driver comes back", func(t *testing.T) {
		c.vendor.stop()
		c.vendor.start(t)
		c.claim(t, "later")
	})
	t.Run("it is deleted", func(t *testing.T) {
		released, err := c.CoreV1().PersistentVolumes().Get(t.Context(), volume.Name, meta.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.CoreV1().PersistentVolumeClaims("default").Delete(t.Context(), "data", meta.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := c.StorageV1().VolumeAttachments().Delete(t.Context(), "attachment", meta.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(c.vendor.StateDir, "volumes", volume.Spec.CSI.VolumeHandle, "attached")); err != nil {
			t.Fatal(err)
		}
		released.Status.Phase = core.VolumeReleased
		if _, err := c.CoreV1().PersistentVolumes().UpdateStatus(t.Context(), released, meta.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		volumetest.Eventually(t, "its data is gone", func() bool { return !c.has(volume, "data") })
	})
}

func (c cluster) tryCapacity(t *testing.T) {
	volumetest.Eventually(t, "the scheduler knows", func() bool {
		told, err := c.StorageV1().CSIStorageCapacities("kube-system").List(t.Context(), meta.ListOptions{})
		return err == nil && len(told.Items) == 1 && told.Items[0].StorageClassName == "disk" &&
			told.Items[0].NodeTopology.MatchLabels[c.vendor.TopologyKey()] == thisNode &&
			meta.IsControlledBy(&told.Items[0], csiDriver(driverName, ByEngine)) // with which it goes
	})
}

func (c cluster) tryAttach(t *testing.T, volume *core.PersistentVolume) {
	attachments := c.StorageV1().VolumeAttachments()
	_, err := attachments.Create(t.Context(), &storage.VolumeAttachment{
		ObjectMeta: meta.ObjectMeta{Name: "attachment"},
		Spec: storage.VolumeAttachmentSpec{
			Attacher: driverName, NodeName: thisNode, Source: storage.VolumeAttachmentSource{PersistentVolumeName: &volume.Name},
		},
	}, meta.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	volumetest.Eventually(t, "it is attached", func() bool {
		attachment, err := attachments.Get(t.Context(), "attachment", meta.GetOptions{})
		return err == nil && attachment.Status.Attached && attachment.Status.AttachmentMetadata["attached-to"] == thisNode && c.has(volume, "attached")
	})
}

// change changes the claim "data" by a merge patch, so that nothing which others
// write meanwhile is lost. Controllers look at what has another version.
func (c cluster) change(t *testing.T, version, patch string) {
	t.Helper()
	patch = fmt.Sprintf(`{"metadata":{"resourceVersion":%q},%s}`, version, patch)
	_, err := c.CoreV1().PersistentVolumeClaims("default").Patch(t.Context(), "data", types.MergePatchType, []byte(patch), meta.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// tryResize does one thing after the other: the in-memory API lets two that write
// at the same time overwrite each other.
func (c cluster) tryResize(t *testing.T, volume *core.PersistentVolume) {
	c.change(t, "2", fmt.Sprintf(`"spec":{"volumeName":%q},"status":{"phase":"Bound","capacity":{"storage":"1Gi"}}`, volume.Name))
	bound, err := c.CoreV1().PersistentVolumes().Get(t.Context(), volume.Name, meta.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	bound.Spec.ClaimRef = &core.ObjectReference{Namespace: "default", Name: "data", UID: "uid-data"}
	bound.Status.Phase = core.VolumeBound
	if _, err := c.CoreV1().PersistentVolumes().Update(t.Context(), bound, meta.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	c.change(t, "3", `"spec":{"resources":{"requests":{"storage":"2Gi"}}}`)
	volumetest.Eventually(t, "the volume has grown, and kubelet is asked to go on", func() bool {
		now, err := c.CoreV1().PersistentVolumes().Get(t.Context(), volume.Name, meta.GetOptions{})
		claim, asked := c.CoreV1().PersistentVolumeClaims("default").Get(t.Context(), "data", meta.GetOptions{})
		return err == nil && asked == nil && now.Spec.Capacity.Storage().Cmp(resource.MustParse("2Gi")) == 0 &&
			claim.Status.AllocatedResourceStatuses[core.ResourceStorage] == core.PersistentVolumeClaimNodeResizePending
	})
	c.change(t, "4", `"spec":{"volumeAttributesClassName":"fast"}`)
	volumetest.Eventually(t, "it has its class", func() bool {
		claim, err := c.CoreV1().PersistentVolumeClaims("default").Get(t.Context(), "data", meta.GetOptions{})
		return err == nil && ptr.Deref(claim.Status.CurrentVolumeAttributesClassName, "") == "fast" && c.has(volume, "parameters")
	})
}

func (c cluster) trySnapshot(t *testing.T, volume *core.PersistentVolume) {
	contents := c.snapshots.SnapshotV1().VolumeSnapshotContents()
	if _, err := c.snapshots.SnapshotV1().VolumeSnapshotClasses().Create(t.Context(), &snapshot.VolumeSnapshotClass{
		ObjectMeta: meta.ObjectMeta{Name: "disk"}, Driver: driverName, DeletionPolicy: snapshot.VolumeSnapshotContentDelete,
	}, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := contents.Create(t.Context(), &snapshot.VolumeSnapshotContent{
		ObjectMeta: meta.ObjectMeta{Name: "content", ResourceVersion: "1"},
		Spec: snapshot.VolumeSnapshotContentSpec{
			Driver: driverName, DeletionPolicy: snapshot.VolumeSnapshotContentDelete, VolumeSnapshotClassName: ptr.To("disk"),
			VolumeSnapshotRef: core.ObjectReference{Name: "s", Namespace: "default", UID: "uid"},
			Source:            snapshot.VolumeSnapshotContentSource{VolumeHandle: &volume.Spec.CSI.VolumeHandle},
		},
	}, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	volumetest.Eventually(t, "the snapshot is ready", func() bool {
		content, err := contents.Get(t.Context(), "content", meta.GetOptions{})
		return err == nil && content.Status != nil && ptr.Deref(content.Status.ReadyToUse, false)
	})
}
