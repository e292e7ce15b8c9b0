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
	members, err := g.driver.Pool.SnapshotGroup(ctx, r.GetName(), r.GetSourceVolumeIds(), g.driver.Pool.Lock)
	if errors.Is(err, volume.ErrNotFound) {
		return nil, fmt.Errorf("%w; a group is of volumes on one node, and this one is node %s: there is no moment across nodes", err, g.driver.NodeName)
	}
	if err != nil {
		return nil, err
	}
	return &spec.CreateVolumeGroupSnapshotResponse{GroupSnapshot: describeGroup(members)}, nil
}

// describeGroup describes a group by its members, of which it has one at least.
func describeGroup(members []volume.Snapshot) *spec.VolumeGroupSnapshot {
	group := &spec.VolumeGroupSnapshot{
		GroupSnapshotId: members[0].Group,
		CreationTime:    timestamppb.New(members[0].Taken),
		ReadyToUse:      true,
	}
	for _, s := range members {
		group.Snapshots = append(group.Snapshots, describeSnapshot(s))
	}
	return group
}

func (g groupController) DeleteVolumeGroupSnapshot(_ context.Context, r *spec.DeleteVolumeGroupSnapshotRequest) (*spec.DeleteVolumeGroupSnapshotResponse, error) {
	if _, err := g.group(r.GetGroupSnapshotId(), r.GetSnapshotIds()); err != nil && !errors.Is(err, volume.ErrNotFound) {
		return nil, err
	}
	return &spec.DeleteVolumeGroupSnapshotResponse{}, g.driver.Pool.DeleteGroup(r.GetGroupSnapshotId())
}

func (g groupController) GetVolumeGroupSnapshot(_ context.Context, r *spec.GetVolumeGroupSnapshotRequest) (*spec.GetVolumeGroupSnapshotResponse, error) {
	members, err := g.group(r.GetGroupSnapshotId(), r.GetSnapshotIds())
	if err != nil {
		return nil, err
	}
	return &spec.GetVolumeGroupSnapshotResponse{GroupSnapshot: describeGroup(members)}, nil
}

// group gives the members of a group, and refuses a caller who believes that it
// has others.
func (g groupController) group(id string, believed []string) ([]volume.Snapshot, error) {
	if id == "" {
		return nil, invalid("no group ID was given")
	}
	members, err := g.driver.Pool.GetGroup(id)
	if err != nil {
		return nil, err
	}
	for _, b := range believed {
		if !slices.ContainsFunc(members, func(s volume.Snapshot) bool { return s.ID == b }) {
			return nil, invalid("snapshot %s is not in group %s", b, id)
		}
	}
	return members, nil
}
