package csi

import (
	"context"
	"path/filepath"
	"testing"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// A group's life, with the requests that the suite of package sanity leaves out.
func TestGroupsLife(t *testing.T) {
	pool, err := volume.Open(filepath.Join(t.TempDir(), "pool"))
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	driver := Driver{NodeName: "a", Pools: volume.Alone(pool)}
	c, g := controller{driver: driver}, groupController{driver: driver}
	var ids []string
	for _, name := range []string{"v1", "v2"} {
		made, err := c.CreateVolume(ctx, request(func(r *spec.CreateVolumeRequest) {
			r.Name, r.CapacityRange = name, &spec.CapacityRange{RequiredBytes: 8 << 20}
		}))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, made.GetVolume().GetVolumeId())
	}

	if _, err := g.CreateVolumeGroupSnapshot(ctx, &spec.CreateVolumeGroupSnapshotRequest{Name: "g"}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a group of nothing: %v", err)
	}
	if _, err := g.CreateVolumeGroupSnapshot(ctx, &spec.CreateVolumeGroupSnapshotRequest{Name: "g", SourceVolumeIds: append(ids, "of-another-node")}); status.Code(withCode(err)) != codes.NotFound {
		t.Errorf("a group with a volume of another node: %v", err)
	}
	if left, err := pool.ListSnapshots(); err != nil || len(left) != 0 {
		t.Errorf("left of a group that failed: %v (%v)", left, err)
	}
	made, err := g.CreateVolumeGroupSnapshot(ctx, &spec.CreateVolumeGroupSnapshotRequest{Name: "g", SourceVolumeIds: ids})
	if err != nil {
		t.Fatal(err)
	}
	group := made.GetGroupSnapshot()
	if len(group.GetSnapshots()) != 2 || !group.GetReadyToUse() || group.GetSnapshots()[0].GetGroupSnapshotId() != group.GetGroupSnapshotId() {
		t.Errorf("the group is %v", group)
	}
	member := group.GetSnapshots()[0].GetSnapshotId()
	got, err := g.GetVolumeGroupSnapshot(ctx, &spec.GetVolumeGroupSnapshotRequest{GroupSnapshotId: group.GetGroupSnapshotId(), SnapshotIds: []string{member}})
	if err != nil || len(got.GetGroupSnapshot().GetSnapshots()) != 2 {
		t.Errorf("the group is %v (%v)", got, err)
	}
	if _, err := c.DeleteSnapshot(ctx, &spec.DeleteSnapshotRequest{SnapshotId: member}); status.Code(withCode(err)) != codes.InvalidArgument {
		t.Errorf("deleting one of a group: %v", err)
	}
	remove := &spec.DeleteVolumeGroupSnapshotRequest{GroupSnapshotId: group.GetGroupSnapshotId(), SnapshotIds: []string{"stranger"}}
	if _, err := g.DeleteVolumeGroupSnapshot(ctx, remove); status.Code(err) != codes.InvalidArgument {
		t.Errorf("deleting a group that is believed to have another snapshot: %v", err)
	}
	remove.SnapshotIds = []string{member}
	for range 2 {
		if _, err := g.DeleteVolumeGroupSnapshot(ctx, remove); err != nil {
			t.Error(err)
		}
	}
	if left, err := pool.ListSnapshots(); err != nil || len(left) != 0 {
		t.Errorf("left: %v (%v)", left, err)
	}
}
