package provisioner

import (
	"context"
	"strings"
	"testing"

	snapshot "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	"github.com/kubernetes-csi/external-snapshotter/v8/pkg/utils"
	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/volumetest"
)

func TestSourceOf(t *testing.T) {
	group := ptr.To(snapshot.GroupName)
	for _, c := range []struct {
		why     string
		ref     *core.TypedObjectReference
		want    sourceRef
		refusal string
	}{
		{"none", nil, sourceRef{}, ""},
		{"of another namespace", &core.TypedObjectReference{Kind: "PersistentVolumeClaim", Name: "x", Namespace: ptr.To("other")}, sourceRef{}, "namespace other"},
		{"of its own namespace", &core.TypedObjectReference{Kind: "PersistentVolumeClaim", Name: "x", Namespace: ptr.To("default")}, sourceRef{claim: "x"}, ""},
		{"a snapshot", &core.TypedObjectReference{APIGroup: group, Kind: "VolumeSnapshot", Name: "x"}, sourceRef{snapshot: "x"}, ""},
		{"a claim", &core.TypedObjectReference{Kind: "PersistentVolumeClaim", Name: "x"}, sourceRef{claim: "x"}, ""},
		{"a populator", &core.TypedObjectReference{APIGroup: ptr.To("example.test"), Kind: "Backup", Name: "x"}, sourceRef{}, "not with a Backup"},
	} {
		claim := &core.PersistentVolumeClaim{ObjectMeta: meta.ObjectMeta{Namespace: "default"}}
		claim.Spec.DataSourceRef = c.ref
		got, err := sourceOf(claim)
		if got != c.want || !refusedWith(err, c.refusal) {
			t.Errorf("%s: %+v (%v), want %+v (%s)", c.why, got, err, c.want, c.refusal)
		}
	}
}

func refusedWith(err error, refusal string) bool {
	if refusal == "" {
		return err == nil
	}
	return err != nil && strings.Contains(err.Error(), refusal)
}

// readySnapshot is of 64 MiB, on a node.
func readySnapshot(node string) (*snapshot.VolumeSnapshot, *snapshot.VolumeSnapshotContent) {
	s := &snapshot.VolumeSnapshot{
		ObjectMeta: meta.ObjectMeta{Name: "s", Namespace: "default", UID: "s-uid"},
		Status: &snapshot.VolumeSnapshotStatus{
			BoundVolumeSnapshotContentName: ptr.To("content"), ReadyToUse: ptr.To(true), RestoreSize: ptr.To(resource.MustParse("64Mi")),
		},
	}
	c := &snapshot.VolumeSnapshotContent{
		ObjectMeta: meta.ObjectMeta{Name: "content", Labels: map[string]string{utils.VolumeSnapshotContentManagedByLabel: node}},
		Spec: snapshot.VolumeSnapshotContentSpec{
			Driver: volume.DriverName, VolumeSnapshotRef: core.ObjectReference{UID: "s-uid"},
		},
		Status: &snapshot.VolumeSnapshotContentStatus{SnapshotHandle: ptr.To("handle")},
	}
	return s, c
}

// The rules in their order.
func TestFromSnapshot(t *testing.T) {
	for _, c := range []struct {
		why     string
		change  func(*snapshot.VolumeSnapshot, *snapshot.VolumeSnapshotContent, *core.PersistentVolumeClaim)
		refusal string
	}{
		{"nothing is wrong", func(*snapshot.VolumeSnapshot, *snapshot.VolumeSnapshotContent, *core.PersistentVolumeClaim) {}, ""},
		{"not bound", func(s *snapshot.VolumeSnapshot, _ *snapshot.VolumeSnapshotContent, _ *core.PersistentVolumeClaim) {
			s.Status = nil
		}, "not ready"},
		{"not ready", func(s *snapshot.VolumeSnapshot, _ *snapshot.VolumeSnapshotContent, _ *core.PersistentVolumeClaim) {
			s.Status.ReadyToUse = ptr.To(false)
		}, "not ready"},
		{"not taken", func(_ *snapshot.VolumeSnapshot, c *snapshot.VolumeSnapshotContent, _ *core.PersistentVolumeClaim) {
			c.Status = nil
		}, "not ready"},
		{"another's", func(_ *snapshot.VolumeSnapshot, c *snapshot.VolumeSnapshotContent, _ *core.PersistentVolumeClaim) {
			c.Spec.VolumeSnapshotRef.UID = "other"
		}, "belongs to another"},
		{"another driver's", func(_ *snapshot.VolumeSnapshot, c *snapshot.VolumeSnapshotContent, _ *core.PersistentVolumeClaim) {
			c.Spec.Driver = "nfs.example.com"
		}, "nfs.example.com"},
		{"nobody's", func(_ *snapshot.VolumeSnapshot, c *snapshot.VolumeSnapshotContent, _ *core.PersistentVolumeClaim) {
			c.Labels = nil
		}, "no node has"},
		{"larger than the claim", func(_ *snapshot.VolumeSnapshot, _ *snapshot.VolumeSnapshotContent, claim *core.PersistentVolumeClaim) {
			claim.Spec.Resources.Requests = size("63Mi")
		}, "ask for as much at least"},
	} {
		s, content := readySnapshot("b")
		claim := claimOfSize("64Mi", "", "", "")
		c.change(s, content, claim)
		got, err := fromSnapshot(claim, s, content)
		if !refusedWith(err, c.refusal) {
			t.Errorf("%s: %v, want %q", c.why, err, c.refusal)
		}
		if err == nil && (got.node != "b" || got.content.GetSnapshot().GetSnapshotId() != "handle") {
			t.Errorf("%s: %+v", c.why, got)
		}
	}
}

// The scheduler does not know where a snapshot is. The claim goes there all the
// same, and says what is wrong while it cannot.
func TestClaimGoesWhereItsSnapshotIs(t *testing.T) {
	ctx := context.Background()
	c := startCluster(t, storage.VolumeBindingWaitForFirstConsumer)
	s, content := readySnapshot("node-b")
	if _, err := c.snapshots.SnapshotV1().VolumeSnapshotContents().Create(ctx, content, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.snapshots.SnapshotV1().VolumeSnapshots("default").Create(ctx, s, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	claim := c.claimFrom(t, "restored", "64Mi", thisNode, &core.TypedLocalObjectReference{
		APIGroup: ptr.To(snapshot.GroupName), Kind: "VolumeSnapshot", Name: "s",
	})
	volumetest.Eventually(t, "the claim is given to the snapshot's node", func() bool {
		got, err := c.CoreV1().PersistentVolumeClaims("default").Get(ctx, claim.Name, meta.GetOptions{})
		return err == nil && got.Annotations[selectedNode] == "node-b"
	})
	if v := c.volumeOf(claim); v != nil || len(c.records(t)) != 0 {
		t.Errorf("this node made the volume %+v", v)
	}

	content.Labels[utils.VolumeSnapshotContentManagedByLabel] = "node-that-left"
	if _, err := c.snapshots.SnapshotV1().VolumeSnapshotContents().Update(ctx, content, meta.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	c.claimFrom(t, "too-late", "64Mi", thisNode, claim.Spec.DataSource)
	volumetest.Eventually(t, "the claim says that the node has left", func() bool {
		events, err := c.CoreV1().Events("default").List(ctx, meta.ListOptions{})
		if err != nil {
			return false
		}
		for _, e := range events.Items {
			if e.InvolvedObject.Name == "too-late" && strings.Contains(e.Message, "node-that-left, which is not in the cluster any more") {
				return true
			}
		}
		return false
	})
}

// A claim is cloned with all that its volume holds.
func TestClaimIsCloned(t *testing.T) {
	ctx := context.Background()
	c := startCluster(t, storage.VolumeBindingWaitForFirstConsumer)
	first := c.claim(t, "data", "8Mi", thisNode)
	volumetest.Eventually(t, "the claim has a volume", func() bool { return c.volumeOf(first) != nil })
	first.Spec.VolumeName = c.volumeOf(first).Name
	if _, err := c.CoreV1().PersistentVolumeClaims("default").Update(ctx, first, meta.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	clone := c.claimFrom(t, "clone", "16Mi", thisNode, &core.TypedLocalObjectReference{Kind: "PersistentVolumeClaim", Name: "data"})
	volumetest.Eventually(t, "the clone has a volume", func() bool { return c.volumeOf(clone) != nil })
	for _, r := range c.records(t) {
		if r.Claim == "default/clone" && (r.Source.Volume != c.volumeOf(first).Spec.CSI.VolumeHandle || r.Bytes != 16<<20) {
			t.Errorf("the clone is %+v", r)
		}
	}
}
