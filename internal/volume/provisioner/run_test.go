package provisioner

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	fakesnapshots "github.com/kubernetes-csi/external-snapshotter/client/v8/clientset/versioned/fake"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/csi"
	"github.com/mainstay-io/mainstay/internal/volume/volumetest"
)

const thisNode, class = "node-a", "mainstay"

// cluster is client-go's in-memory API with the provisioner of one node on a
// real driver and a real pool. What other controllers do, the tests do.
type cluster struct {
	*fake.Clientset
	snapshots *fakesnapshots.Clientset
	pool      *volume.Pool
}

func startCluster(t *testing.T, binding storage.VolumeBindingMode) cluster {
	t.Helper()
	volumetest.RequireRoot(t)
	dir := volumetest.Dir(t)
	pool, err := volume.Open(filepath.Join(dir, "pool"))
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "csi.sock")
	connection, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		t.Fatal(err)
	}
	client := fake.NewClientset(
		&core.Node{ObjectMeta: meta.ObjectMeta{Name: thisNode, UID: "1"}},
		&core.Node{ObjectMeta: meta.ObjectMeta{Name: "node-b", UID: "2"}},
		&storage.StorageClass{ObjectMeta: meta.ObjectMeta{Name: class}, Provisioner: volume.DriverName, VolumeBindingMode: &binding},
	)
	snapshots := fakesnapshots.NewSimpleClientset() //nolint:staticcheck // upstream generates no other
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- csi.Driver{NodeName: thisNode, Pools: volume.Alone(pool)}.Serve(ctx, socket) }()
	go func() {
		ended <- run(ctx, Config{NodeName: thisNode, Namespace: "kube-system", Performance: volume.Alone(pool).Performance, Health: volume.Alone(pool).Health}, client, snapshots, spec.NewControllerClient(connection))
	}()
	t.Cleanup(func() {
		stop()
		for range cap(ended) {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		connection.Close()
	})
	return cluster{client, snapshots, pool}
}

// claim creates a claim as the scheduler and the volume binder leave it.
func (c cluster) claim(t *testing.T, name, size, node string) *core.PersistentVolumeClaim {
	t.Helper()
	return c.claimFrom(t, name, size, node, nil)
}

func (c cluster) claimFrom(t *testing.T, name, size, node string, from *core.TypedLocalObjectReference) *core.PersistentVolumeClaim {
	t.Helper()
	className := class
	claim := &core.PersistentVolumeClaim{
		ObjectMeta: meta.ObjectMeta{Name: name, Namespace: "default", UID: types.UID("uid-" + name), Annotations: map[string]string{
			"volume.kubernetes.io/storage-provisioner": volume.DriverName,
		}},
		Spec: core.PersistentVolumeClaimSpec{
			StorageClassName: &className,
			DataSource:       from,
			AccessModes:      []core.PersistentVolumeAccessMode{core.ReadWriteOnce},
			Resources:        core.VolumeResourceRequirements{Requests: core.ResourceList{core.ResourceStorage: resource.MustParse(size)}},
		},
	}
	if node != "" {
		claim.Annotations[selectedNode] = node
	}
	claim, err := c.CoreV1().PersistentVolumeClaims("default").Create(context.Background(), claim, meta.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return claim
}

func (c cluster) volumeOf(claim *core.PersistentVolumeClaim) *core.PersistentVolume {
	v, err := c.CoreV1().PersistentVolumes().Get(context.Background(), "pvc-"+string(claim.UID), meta.GetOptions{})
	if err != nil {
		return nil
	}
	return v
}

func (c cluster) records(t *testing.T) []volume.Record {
	t.Helper()
	records, err := c.pool.List()
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func TestClaimLivesAndDies(t *testing.T) {
	ctx := context.Background()
	c := startCluster(t, storage.VolumeBindingWaitForFirstConsumer)
	other := c.claim(t, "of-another-node", "8Mi", "node-b")
	waiting := c.claim(t, "without-a-pod", "8Mi", "")
	start := time.Now()
	claim := c.claim(t, "data", "8Mi", thisNode)
	volumetest.Eventually(t, "the claim has a volume", func() bool { return c.volumeOf(claim) != nil })
	t.Logf("from claim to volume: %v", time.Since(start))

	v := c.volumeOf(claim)
	if !isOn(v, thisNode) || v.Spec.ClaimRef.UID != claim.UID || v.Spec.Capacity.Storage().Value() != 8<<20 || v.Spec.CSI.FSType != "ext4" {
		t.Errorf("the volume is %+v", v.Spec)
	}
	if records := c.records(t); len(records) != 1 || records[0].Claim != "default/data" {
		t.Errorf("the pool has %+v", records)
	}
	for _, unserved := range []*core.PersistentVolumeClaim{other, waiting} {
		if v := c.volumeOf(unserved); v != nil {
			t.Errorf("claim %s got the volume %s", unserved.Name, v.Name)
		}
	}

	v.Status.Phase = core.VolumeReleased
	v.Spec.PersistentVolumeReclaimPolicy = core.PersistentVolumeReclaimDelete
	if _, err := c.CoreV1().PersistentVolumes().Update(ctx, v, meta.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	volumetest.Eventually(t, "the released volume is deleted", func() bool { return c.volumeOf(claim) == nil && len(c.records(t)) == 0 })
}

func TestRetainedVolumeStays(t *testing.T) {
	ctx := context.Background()
	c := startCluster(t, storage.VolumeBindingWaitForFirstConsumer)
	keep, remove := c.claim(t, "keep", "8Mi", thisNode), c.claim(t, "remove", "8Mi", thisNode)
	volumetest.Eventually(t, "both have volumes", func() bool { return c.volumeOf(keep) != nil && c.volumeOf(remove) != nil })
	for claim, policy := range map[*core.PersistentVolumeClaim]core.PersistentVolumeReclaimPolicy{
		keep: core.PersistentVolumeReclaimRetain, remove: core.PersistentVolumeReclaimDelete,
	} {
		v := c.volumeOf(claim)
		v.Status.Phase, v.Spec.PersistentVolumeReclaimPolicy = core.VolumeReleased, policy
		if _, err := c.CoreV1().PersistentVolumes().Update(ctx, v, meta.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	volumetest.Eventually(t, "one volume is deleted", func() bool { return c.volumeOf(remove) == nil })
	if records := c.records(t); len(records) != 1 || records[0].Claim != "default/keep" || c.volumeOf(keep) == nil {
		t.Errorf("the pool has %+v", records)
	}
}

func TestClaimThatBindsAtOnce(t *testing.T) {
	c := startCluster(t, storage.VolumeBindingImmediate)
	large, small := c.claim(t, "too-large", "8Ti", ""), c.claim(t, "data", "8Mi", "")
	volumetest.Eventually(t, "the claim has a volume", func() bool { return c.volumeOf(small) != nil })
	got, err := c.CoreV1().PersistentVolumeClaims("default").Get(context.Background(), large.Name, meta.GetOptions{})
	if err != nil || got.Annotations[selectedNode] != "" {
		t.Errorf("a node without room took the claim: %v (%v)", got.Annotations, err)
	}
}

func TestFullNodeGivesTheClaimBack(t *testing.T) {
	c := startCluster(t, storage.VolumeBindingWaitForFirstConsumer)
	claim := c.claim(t, "too-large", "8Ti", thisNode)
	volumetest.Eventually(t, "the claim is the scheduler's again", func() bool {
		got, err := c.CoreV1().PersistentVolumeClaims("default").Get(context.Background(), claim.Name, meta.GetOptions{})
		return err == nil && got.Annotations[selectedNode] == ""
	})
	if records := c.records(t); len(records) != 0 {
		t.Errorf("the pool has %+v", records)
	}
}

// enlargedClaim gives a bound claim of 8 MiB whose user now wants another size.
func (c *cluster) enlargedClaim(t *testing.T, size string) *core.PersistentVolumeClaim {
	t.Helper()
	claim := c.claim(t, "data", "8Mi", thisNode)
	volumetest.Eventually(t, "the claim has a volume", func() bool { return c.volumeOf(claim) != nil })
	claim.Spec.VolumeName = c.volumeOf(claim).Name
	claim.Status.Capacity = core.ResourceList{core.ResourceStorage: resource.MustParse("8Mi")}
	claim.Spec.Resources.Requests = core.ResourceList{core.ResourceStorage: resource.MustParse(size)}
	if _, err := c.CoreV1().PersistentVolumeClaims("default").Update(context.Background(), claim, meta.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	return claim
}

func TestClaimGrows(t *testing.T) {
	ctx := context.Background()
	c := startCluster(t, storage.VolumeBindingWaitForFirstConsumer)
	claims := c.CoreV1().PersistentVolumeClaims("default")
	claim := c.enlargedClaim(t, "16Mi")
	volumetest.Eventually(t, "kubelet is asked to enlarge the file system", func() bool {
		got, err := claims.Get(ctx, claim.Name, meta.GetOptions{})
		return err == nil && got.Status.AllocatedResourceStatuses[core.ResourceStorage] == core.PersistentVolumeClaimNodeResizePending
	})
	if got := c.volumeOf(claim).Spec.Capacity.Storage().Value(); got != 16<<20 {
		t.Errorf("the volume's capacity is %d", got)
	}
	if records := c.records(t); len(records) != 1 || records[0].Bytes != 16<<20 {
		t.Errorf("the pool has %+v", records)
	}
}

// A claim that cannot grow is told why, and is not tried without a pause.
func TestClaimCannotGrow(t *testing.T) {
	ctx := context.Background()
	c := startCluster(t, storage.VolumeBindingWaitForFirstConsumer)
	claims := c.CoreV1().PersistentVolumeClaims("default")
	claim := c.enlargedClaim(t, "8Ti")
	volumetest.Eventually(t, "the claim says why it does not grow", func() bool {
		got, err := claims.Get(ctx, claim.Name, meta.GetOptions{})
		return err == nil && len(got.Status.Conditions) == 1 && got.Status.Conditions[0].Reason == "ResourceExhausted"
	})
	time.Sleep(500 * time.Millisecond)
	writes := 0
	for _, a := range c.Actions() {
		if a.Matches("update", "persistentvolumeclaims") && a.GetSubresource() == "status" {
			writes++
		}
	}
	if writes != 2 { // started, failed
		t.Errorf("%d writes of the same status", writes)
	}
	if c.volumeOf(claim).Spec.Capacity.Storage().Value() != 8<<20 {
		t.Error("the volume claims to have grown")
	}
}

func TestCapacityIsPublished(t *testing.T) {
	c := startCluster(t, storage.VolumeBindingWaitForFirstConsumer)
	available, err := c.pool.Available()
	if err != nil {
		t.Fatal(err)
	}
	volumetest.Eventually(t, "the scheduler can read the node's capacity", func() bool {
		list, err := c.StorageV1().CSIStorageCapacities("kube-system").List(context.Background(), meta.ListOptions{})
		if err != nil || len(list.Items) != 1 || list.Items[0].StorageClassName != class {
			return false
		}
		difference := list.Items[0].Capacity.Value() - available
		return max(difference, -difference) < gi
	})
}
