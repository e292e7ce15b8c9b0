package csi

import (
	"context"
	"errors"
	"fmt"
	"slices"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// groupController takes snapshots of several of its node's volumes at one moment.
// Volumes of other nodes it does not know: there is no moment across nodes.
type groupController struct {
	spec.UnimplementedGroupControllerServer
	driver Driver
}

func (g groupController) GroupControllerGetCapabilities(context.Context, *spec.GroupControllerGetCapabilitiesRequest) (*spec.GroupControllerGetCapabilitiesResponse, error) {
	return &spec.GroupControllerGetCapabilitiesResponse{Capabilities: []*spec.GroupControllerServiceCapability{{
		Type: &spec.GroupControllerServiceCapability_Rpc{Rpc: &spec.GroupControllerServiceCapability_RPC{
			Type: spec.GroupControllerServiceCapability_RPC_CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT,
		}},
	}}}, nil
}

// CreateVolumeGroupSnapshot answers when all snapshots are complete.
func (g groupController) CreateVolumeGroupSnapshot(ctx context.Context, r *spec.CreateVolumeGroupSnapshotRequest) (*spec.CreateVolumeGroupSnapshotResponse, error) {
	if r.GetName() == "" || len(r.GetSourceVolumeIds()) == 0 {
		return nil, invalid("the group's name and its source volume IDs must be given")
	}
	if err := refuseParameters(r.GetParameters()); err != nil {
		return nil, err
	}
	pool, ids, err := g.onePool(r.GetSourceVolumeIds())
	if err != nil {
		return nil, err
	}
	members, err := pool.SnapshotGroup(ctx, r.GetName(), ids, pool.Lock)
	if errors.Is(err, volume.ErrNotFound) {
		return nil, fmt.Errorf("%w; a group is of volumes on one node, and this one is node %s: there is no moment across nodes", err, g.driver.NodeName)
	}
	if err != nil {
		return nil, err
	}
	return &spec.CreateVolumeGroupSnapshotResponse{GroupSnapshot: describeGroup(pool, members)}, nil
}

// onePool gives the pool of volumes, and their IDs there. Volumes of two pools make
// no group.
func (g groupController) onePool(handles []string) (*volume.Pool, []string, error) {
	name := poolOf(handles)
	var ids []string
	for _, handle := range handles {
		in, id := volume.SplitHandle(handle)
		if in != name {
			return nil, nil, invalid("a group is of volumes of one pool: %s is in pool %s, and %s in pool %s", handles[0], name, handle, in)
		}
		ids = append(ids, id)
	}
	pool, err := g.driver.Pools.Pool(name)
	return pool, ids, err
}

// poolOf gives the pool of the first of these volumes.
func poolOf(handles []string) string {
	if len(handles) == 0 {
		return volume.DefaultPool
	}
	name, _ := volume.SplitHandle(handles[0])
	return name
}

// describeGroup describes a group by its members, of which it has one at least.
func describeGroup(pool *volume.Pool, members []volume.Snapshot) *spec.VolumeGroupSnapshot {
	group := &spec.VolumeGroupSnapshot{
		GroupSnapshotId: pool.Handle(members[0].Group),
		CreationTime:    timestamppb.New(members[0].Taken),
		ReadyToUse:      true,
	}
	for _, s := range members {
		group.Snapshots = append(group.Snapshots, describeSnapshot(pool, s))
	}
	return group
}

func (g groupController) DeleteVolumeGroupSnapshot(_ context.Context, r *spec.DeleteVolumeGroupSnapshotRequest) (*spec.DeleteVolumeGroupSnapshotResponse, error) {
	if _, _, err := g.group(r.GetGroupSnapshotId(), r.GetSnapshotIds()); err != nil && !errors.Is(err, volume.ErrNotFound) {
		return nil, err
	}
	pool, id, err := g.driver.Pools.Of(r.GetGroupSnapshotId())
	if err != nil {
		return nil, err
	}
	return &spec.DeleteVolumeGroupSnapshotResponse{}, pool.DeleteGroup(id)
}

func (g groupController) GetVolumeGroupSnapshot(_ context.Context, r *spec.GetVolumeGroupSnapshotRequest) (*spec.GetVolumeGroupSnapshotResponse, error) {
	pool, members, err := g.group(r.GetGroupSnapshotId(), r.GetSnapshotIds())
	if err != nil {
		return nil, err
	}
	return &spec.GetVolumeGroupSnapshotResponse{GroupSnapshot: describeGroup(pool, members)}, nil
}

// group gives the members of a group, and refuses a caller who believes that it
// has others.
func (g groupController) group(handle string, believed []string) (*volume.Pool, []volume.Snapshot, error) {
	if handle == "" {
		return nil, nil, invalid("no group ID was given")
	}
	pool, id, err := g.driver.Pools.Of(handle)
	if err != nil {
		return nil, nil, err
	}
	members, err := pool.GetGroup(id)
	if err != nil {
		return nil, nil, err
	}
	for _, b := range believed {
		if !slices.ContainsFunc(members, func(s volume.Snapshot) bool { return pool.Handle(s.ID) == b }) {
			return nil, nil, invalid("snapshot %s is not in group %s", b, handle)
		}
	}
	return pool, members, nil
}
