package snapshots

import (
	"context"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	groupsnapshot "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumegroupsnapshot/v1"
	snapshot "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	fakesnapshots "github.com/kubernetes-csi/external-snapshotter/client/v8/clientset/versioned/fake"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientfeatures "k8s.io/client-go/features"
	clientfeaturestesting "k8s.io/client-go/features/testing"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
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
	// groups: the API knows groups of snapshots.
	groups *atomic.Bool
}

func startNode(t *testing.T, withGroups bool) node {
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
	groups := serveKinds(c.kubernetes.(*fake.Clientset), withGroups)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- csi.Driver{NodeName: thisNode, Pools: volume.Alone(pool)}.Serve(ctx, socket) }()
	go func() { ended <- runServed(ctx, thisNode, c, connection) }()
	t.Cleanup(func() {
		stop()
		for range cap(ended) {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		connection.Close()
	})
	return node{snapshots, pool, groups}
}

// serveKinds has an API tell of the kinds of snapshots, and of groups while that
// is so.
func serveKinds(api *fake.Clientset, withGroups bool) *atomic.Bool {
	groups := &atomic.Bool{}
	groups.Store(withGroups)
	api.PrependReactor("get", "resource", func(clienttesting.Action) (bool, runtime.Object, error) {
		api.Resources = []*meta.APIResourceList{{GroupVersion: singleKinds.String()}}
		if groups.Load() {
			api.Resources = append(api.Resources, &meta.APIResourceList{GroupVersion: groupKinds.String()})
		}
		return true, nil, nil
	})
	return groups
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
	n := startNode(t, true)
	if _, err := n.SnapshotV1().VolumeSnapshotClasses().Create(t.Context(), Classes()[0].(*snapshot.VolumeSnapshotClass), meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	n.content(t, "elsewhere", "of-another-node")
	n.content(t, "here", "v")
	volumetest.Eventually(t, "the content is this node's", func() bool { return n.labelOf("here") == thisNode })
	volumetest.Eventually(t, "the snapshot is taken", func() bool {
		taken, err := n.pool.ListSnapshots()
		return err == nil && len(taken) == 1 && taken[0].Volume == "v"
	})
	if label := n.labelOf("elsewhere"); label != "" {
		t.Errorf("the content of another node's volume is labelled %s", label)
	}
}

func TestUnlabelledGroupIsTaken(t *testing.T) {
	startNode(t, true).takeGroup(t)
}

// A cluster that knows no groups has snapshots all the same; and groups, once it
// knows them.
func TestNodeWithoutGroups(t *testing.T) {
	n := startNode(t, false)
	n.content(t, "here", "v")
	volumetest.Eventually(t, "the content is this node's", func() bool { return n.labelOf("here") == thisNode })
	for _, action := range n.Actions() {
		if strings.Contains(action.GetResource().Group, "group") {
			t.Errorf("the API was asked to %s %s, which it does not know", action.GetVerb(), action.GetResource())
		}
	}
	n.groups.Store(true)
	n.takeGroup(t)
}

// takeGroup makes two groups, of which the node holds one, and looks that it takes
// that.
func (n node) takeGroup(t *testing.T) {
	t.Helper()
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
	volumetest.Eventually(t, "the group is taken", func() bool {
		members, err := n.pool.GetGroup("groupsnapshot-uid-of-group")
		return err == nil && len(members) == 1 && members[0].Volume == "v"
	})
	other, err := groups.VolumeGroupSnapshotContents().Get(t.Context(), "elsewhere", meta.GetOptions{})
	if err != nil || other.Labels[managedBy] != "" {
		t.Errorf("the group of another node's volume is labelled %v (%v)", other.Labels, err)
	}
}
