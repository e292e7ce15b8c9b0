package csi

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// twoPools gives a driver with a default pool and a pool fast, and the directory of
// that one.
func twoPools(t *testing.T) (Driver, string) {
	t.Helper()
	dir := t.TempDir()
	fast := filepath.Join(dir, "fast")
	if err := os.Mkdir(fast, 0o700); err != nil {
		t.Fatal(err)
	}
	pools, err := volume.NewPools([]volume.Place{{Name: volume.DefaultPool, Path: filepath.Join(dir, "default")}, {Name: "fast", Path: fast}},
		filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	return Driver{NodeName: "a", Pools: pools}, fast
}

func inPool(name, pool string) *spec.CreateVolumeRequest {
	return request(func(r *spec.CreateVolumeRequest) {
		r.Name, r.CapacityRange = name, &spec.CapacityRange{RequiredBytes: 8 << 20}
		r.Parameters = map[string]string{volume.PoolParameter: pool}
	})
}

// A volume's handle tells its pool, and so does that of all that comes of it. The
// default pool's volumes have the handles that they always had.
func TestHandlesTellThePool(t *testing.T) {
	ctx := context.Background()
	driver, _ := twoPools(t)
	c, g := controller{driver: driver}, groupController{driver: driver}
	var handles []string
	for _, pool := range []string{"", "default", "fast"} {
		made, err := c.CreateVolume(ctx, inPool("v"+pool, pool))
		if err != nil {
			t.Fatal(err)
		}
		handles = append(handles, made.GetVolume().GetVolumeId())
	}
	if strings.Join(handles, " ") != "v vdefault fast/vfast" {
		t.Fatalf("the handles are %q", handles)
	}
	s, err := c.CreateSnapshot(ctx, &spec.CreateSnapshotRequest{Name: "s", SourceVolumeId: "fast/vfast"})
	if err != nil || s.GetSnapshot().GetSnapshotId() != "fast/s" || s.GetSnapshot().GetSourceVolumeId() != "fast/vfast" {
		t.Fatalf("the snapshot is %v (%v)", s, err)
	}
	from := &spec.VolumeContentSource{Type: &spec.VolumeContentSource_Snapshot{Snapshot: &spec.VolumeContentSource_SnapshotSource{SnapshotId: "fast/s"}}}
	restore := func(pool string) (*spec.CreateVolumeResponse, error) {
		r := inPool("restored", pool)
		r.VolumeContentSource = from
		return c.CreateVolume(ctx, r)
	}
	if _, err := restore("default"); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "pool: fast") {
		t.Errorf("restored into another pool: %v", err)
	}
	if made, err := restore("fast"); err != nil || made.GetVolume().GetContentSource().GetSnapshot().GetSnapshotId() != "fast/s" {
		t.Errorf("restored: %v (%v)", made, err)
	}
	if _, err := g.CreateVolumeGroupSnapshot(ctx, &spec.CreateVolumeGroupSnapshotRequest{Name: "g", SourceVolumeIds: handles}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a group of volumes of two pools: %v", err)
	}
	group, err := g.CreateVolumeGroupSnapshot(ctx, &spec.CreateVolumeGroupSnapshotRequest{Name: "g", SourceVolumeIds: handles[2:]})
	if err != nil || group.GetGroupSnapshot().GetGroupSnapshotId() != "fast/g" {
		t.Errorf("the group is %v (%v)", group, err)
	}
	if all, err := c.ListSnapshots(ctx, &spec.ListSnapshotsRequest{SourceVolumeId: "fast/vfast"}); err != nil || len(all.GetEntries()) != 2 {
		t.Errorf("of the volume there are %v (%v)", all, err)
	}
	all, err := c.ListVolumes(ctx, &spec.ListVolumesRequest{})
	var listed []string
	for _, e := range all.GetEntries() {
		listed = append(listed, e.GetVolume().GetVolumeId())
	}
	if err != nil || strings.Join(listed, " ") != "fast/restored fast/vfast v vdefault" {
		t.Errorf("listed: %q (%v)", listed, err)
	}
}

// Where a pool is missing another node may make the volume, and nothing is said to be
// deleted; what is mounted can be unmounted.
func TestPoolIsMissing(t *testing.T) {
	ctx := context.Background()
	driver, fast := twoPools(t)
	c, n := controller{driver: driver}, node{driver: driver}
	if _, err := c.CreateVolume(ctx, inPool("v", "fast")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(fast, fast+".away"); err != nil {
		t.Fatal(err)
	}
	for _, pool := range []string{"fast", "slow"} {
		handle := pool + "/v"
		if _, err := c.CreateVolume(ctx, inPool("w", pool)); status.Code(withCode(err)) != codes.ResourceExhausted {
			t.Errorf("created in pool %s, which is missing: %v", pool, err)
		}
		if _, err := c.DeleteVolume(ctx, &spec.DeleteVolumeRequest{VolumeId: handle}); status.Code(withCode(err)) != codes.Unavailable {
			t.Errorf("deleted in pool %s, which is missing: %v", pool, err)
		}
		if _, err := n.NodeUnpublishVolume(ctx, &spec.NodeUnpublishVolumeRequest{VolumeId: handle, TargetPath: filepath.Join(t.TempDir(), "pod")}); err != nil {
			t.Errorf("unpublished from pool %s, which is missing: %v", pool, err)
		}
		if _, err := n.NodeUnstageVolume(ctx, &spec.NodeUnstageVolumeRequest{VolumeId: handle, StagingTargetPath: filepath.Join(t.TempDir(), "staging")}); err != nil {
			t.Errorf("unstaged from pool %s, which is missing: %v", pool, err)
		}
	}
	if found, err := c.ListSnapshots(ctx, &spec.ListSnapshotsRequest{SnapshotId: "slow/s"}); err != nil || len(found.GetEntries()) != 0 {
		t.Errorf("a snapshot of another node's pool: %v (%v)", found, err)
	}
	if _, err := c.ListSnapshots(ctx, &spec.ListSnapshotsRequest{SnapshotId: "fast/s"}); status.Code(withCode(err)) != codes.Unavailable {
		t.Errorf("a snapshot in a pool that is missing: %v", err)
	}
	capacity := func(pool string) (int64, codes.Code) {
		got, err := c.GetCapacity(ctx, &spec.GetCapacityRequest{Parameters: map[string]string{volume.PoolParameter: pool}})
		return got.GetAvailableCapacity(), status.Code(err)
	}
	if left, code := capacity("fast"); left != 0 || code != codes.OK {
		t.Errorf("a pool that is missing has %d left (%v)", left, code)
	}
	if _, code := capacity("slow"); code != codes.NotFound {
		t.Errorf("a pool that is not declared: %v", code)
	}
	if left, code := capacity("default"); left == 0 || code != codes.OK {
		t.Errorf("the pool beside has %d left (%v)", left, code)
	}
}

// The sizes at both ends.
func TestImpossibleSizes(t *testing.T) {
	driver, _ := twoPools(t)
	c := controller{driver: driver}
	for _, size := range []int64{-1, volume.MaxSize + 1, math.MaxInt64} {
		r := inPool("v", "fast")
		r.CapacityRange.RequiredBytes = size
		if _, err := c.CreateVolume(context.Background(), r); status.Code(withCode(err)) != codes.OutOfRange {
			t.Errorf("a volume of %d bytes: %v", size, err)
		}
	}
}
