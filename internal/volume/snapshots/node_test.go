package snapshots

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	groupsnapshot "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumegroupsnapshot/v1"
	snapshot "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	fakesnapshots "github.com/kubernetes-csi/external-snapshotter/client/v8/clientset/versioned/fake"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientfeatures "k8s.io/client-go/features"
	clientfeaturestesting "k8s.io/client-go/features/testing"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/utils/ptr"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/csi"
	"github.com/mainstay-io/mainstay/internal/volume/volumetest"
)

const thisNode = "node-a"

// node is client-go's in-memory API with the part for one node on a real driver
// and a real pool, which has the volume v. What the controller of the cluster
// does, the tests do.
type node struct {
	*fakesnapshots.Clientset
	pool *volume.Pool
}

func startNode(t *testing.T) node {
	t.Helper()
	// The in-memory API of snapshots cannot list by watching.
	clientfeaturestesting.SetFeatureDuringTest(t, clientfeatures.WatchListClient, false)
	dir := volumetest.Dir(t)
	pool, err := volume.Open(filepath.Join(dir, "pool"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Create(t.Context(), volume.Spec{Name: "v", RequiredBytes: 8 << 20, FileSystem: volume.Ext4}); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "csi.sock")
	connection, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		t.Fatal(err)
	}
	snapshots := fakesnapshots.NewSimpleClientset() //nolint:staticcheck // upstream generates no other
	c := clients{kubernetes: fake.NewClientset(), snapshots: snapshots}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- csi.Driver{NodeName: thisNode, Pools: volume.Alone(pool)}.Serve(ctx, socket) }()
	go func() { ended <- runNode(ctx, thisNode, c, connection) }()
	t.Cleanup(func() {
		stop()
		for range cap(ended) {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		connection.Close()
	})
	return node{snapshots, pool}
}

// eventually fails the test unless the condition comes true soon.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if condition() {
			return
		}
	}
	t.Fatalf("not in 20 s: %s", what)
}

// content is as upstream's controller makes it, of a volume.
func (n node) content(t *testing.T, name, volumeHandle string) {
	t.Helper()
	_, err := n.SnapshotV1().VolumeSnapshotContents().Create(t.Context(), &snapshot.VolumeSnapshotContent{
		ObjectMeta: meta.ObjectMeta{Name: name, ResourceVersion: "1"},
		Spec: snapshot.VolumeSnapshotContentSpec{
			Driver: volume.DriverName, DeletionPolicy: snapshot.VolumeSnapshotContentDelete,
			VolumeSnapshotRef:       core.ObjectReference{Name: name, Namespace: "default", UID: "uid"},
			VolumeSnapshotClassName: ptr.To(ClassName),
			Source:                  snapshot.VolumeSnapshotContentSource{VolumeHandle: &volumeHandle},
		},
	}, meta.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

func (n node) labelOf(name string) string {
	c, err := n.SnapshotV1().VolumeSnapshotContents().Get(context.Background(), name, meta.GetOptions{})
	if err != nil {
		return err.Error()
	}
	return c.Labels[managedBy]
}

// A content that nobody has becomes the node's that holds the volume, which takes
// the snapshot; one of another node's volume stays as it is.
func TestUnlabelledContentIsTaken(t *testing.T) {
	n := startNode(t)
	if _, err := n.SnapshotV1().VolumeSnapshotClasses().Create(t.Context(), Classes()[0].(*snapshot.VolumeSnapshotClass), meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	n.content(t, "elsewhere", "of-another-node")
	n.content(t, "here", "v")
	eventually(t, "the content is this node's", func() bool { return n.labelOf("here") == thisNode })
	eventually(t, "the snapshot is taken", func() bool {
		taken, err := n.pool.ListSnapshots()
		return err == nil && len(taken) == 1 && taken[0].Volume == "v"
	})
	if label := n.labelOf("elsewhere"); label != "" {
		t.Errorf("the content of another node's volume is labelled %s", label)
	}
}

func TestUnlabelledGroupIsTaken(t *testing.T) {
	n := startNode(t)
	groups := n.GroupsnapshotV1()
	if _, err := groups.VolumeGroupSnapshotClasses().Create(t.Context(), Classes()[1].(*groupsnapshot.VolumeGroupSnapshotClass), meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, handles := range map[string][]string{"here": {"v"}, "elsewhere": {"of-another-node", "v"}} {
		_, err := groups.VolumeGroupSnapshotContents().Create(t.Context(), &groupsnapshot.VolumeGroupSnapshotContent{
			ObjectMeta: meta.ObjectMeta{Name: name, ResourceVersion: "1"},
			Spec: groupsnapshot.VolumeGroupSnapshotContentSpec{
				Driver: volume.DriverName, DeletionPolicy: snapshot.VolumeSnapshotContentDelete,
				VolumeGroupSnapshotRef:       core.ObjectReference{Name: name, Namespace: "default", UID: "uid-of-group"},
				VolumeGroupSnapshotClassName: ptr.To(ClassName),
				Source:                       groupsnapshot.VolumeGroupSnapshotContentSource{VolumeHandles: handles},
			},
		}, meta.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the group is taken", func() bool {
		members, err := n.pool.GetGroup("groupsnapshot-uid-of-group")
		return err == nil && len(members) == 1 && members[0].Volume == "v"
	})
	other, err := groups.VolumeGroupSnapshotContents().Get(t.Context(), "elsewhere", meta.GetOptions{})
	if err != nil || other.Labels[managedBy] != "" {
		t.Errorf("the group of another node's volume is labelled %v (%v)", other.Labels, err)
	}
}
