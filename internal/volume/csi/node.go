package csi

import (
	"context"

	spec "github.com/container-storage-interface/spec/lib/go/csi"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// node brings volumes to pods.
type node struct {
	spec.UnimplementedNodeServer
	driver Driver
}

func (n node) NodeGetCapabilities(context.Context, *spec.NodeGetCapabilitiesRequest) (*spec.NodeGetCapabilitiesResponse, error) {
	response := &spec.NodeGetCapabilitiesResponse{}
	for _, t := range []spec.NodeServiceCapability_RPC_Type{
		spec.NodeServiceCapability_RPC_STAGE_UNSTAGE_VOLUME,
		spec.NodeServiceCapability_RPC_GET_VOLUME_STATS,
		spec.NodeServiceCapability_RPC_VOLUME_CONDITION,
		spec.NodeServiceCapability_RPC_EXPAND_VOLUME,
		spec.NodeServiceCapability_RPC_SINGLE_NODE_MULTI_WRITER,
	} {
		response.Capabilities = append(response.Capabilities, &spec.NodeServiceCapability{
			Type: &spec.NodeServiceCapability_Rpc{Rpc: &spec.NodeServiceCapability_RPC{Type: t}},
		})
	}
	return response, nil
}

func (n node) NodeGetInfo(context.Context, *spec.NodeGetInfoRequest) (*spec.NodeGetInfoResponse, error) {
	return &spec.NodeGetInfoResponse{NodeId: n.driver.NodeName, AccessibleTopology: topologyOf(n.driver.NodeName)}, nil
}

func (n node) NodeStageVolume(ctx context.Context, r *spec.NodeStageVolumeRequest) (*spec.NodeStageVolumeResponse, error) {
	if r.GetStagingTargetPath() == "" {
		return nil, invalid("no staging path was given")
	}
	if err := n.usable(r.GetVolumeId(), r.GetVolumeCapability()); err != nil {
		return nil, err
	}
	options := r.GetVolumeCapability().GetMount().GetMountFlags()
	pool, id, err := n.driver.Pools.Of(r.GetVolumeId())
	if err != nil {
		return nil, err
	}
	return &spec.NodeStageVolumeResponse{}, pool.Stage(ctx, id, r.GetStagingTargetPath(), options)
}

func (n node) NodeUnstageVolume(_ context.Context, r *spec.NodeUnstageVolumeRequest) (*spec.NodeUnstageVolumeResponse, error) {
	if r.GetVolumeId() == "" || r.GetStagingTargetPath() == "" {
		return nil, invalid("volume ID and staging path must be given")
	}
	return &spec.NodeUnstageVolumeResponse{}, n.driver.Pools.Unstage(r.GetVolumeId(), r.GetStagingTargetPath())
}

func (n node) NodePublishVolume(_ context.Context, r *spec.NodePublishVolumeRequest) (*spec.NodePublishVolumeResponse, error) {
	if r.GetTargetPath() == "" || r.GetStagingTargetPath() == "" {
		return nil, invalid("staging path and target path must be given")
	}
	if err := n.usable(r.GetVolumeId(), r.GetVolumeCapability()); err != nil {
		return nil, err
	}
	mode := r.GetVolumeCapability().GetAccessMode().GetMode()
	pool, id, err := n.driver.Pools.Of(r.GetVolumeId())
	if err != nil {
		return nil, err
	}
	return &spec.NodePublishVolumeResponse{}, pool.Publish(volume.Publication{
		ID:          id,
		StagingPath: r.GetStagingTargetPath(),
		TargetPath:  r.GetTargetPath(),
		ReadOnly:    r.GetReadonly() || mode == spec.VolumeCapability_AccessMode_SINGLE_NODE_READER_ONLY,
		Sole:        mode == spec.VolumeCapability_AccessMode_SINGLE_NODE_SINGLE_WRITER,
	})
}

func (n node) NodeUnpublishVolume(_ context.Context, r *spec.NodeUnpublishVolumeRequest) (*spec.NodeUnpublishVolumeResponse, error) {
	if r.GetVolumeId() == "" || r.GetTargetPath() == "" {
		return nil, invalid("volume ID and target path must be given")
	}
	return &spec.NodeUnpublishVolumeResponse{}, n.driver.Pools.Unpublish(r.GetTargetPath())
}

func (n node) NodeExpandVolume(_ context.Context, r *spec.NodeExpandVolumeRequest) (*spec.NodeExpandVolumeResponse, error) {
	if r.GetVolumeId() == "" || r.GetVolumePath() == "" {
		return nil, invalid("volume ID and volume path must be given")
	}
	pool, id, err := n.driver.Pools.Of(r.GetVolumeId())
	if err != nil {
		return nil, err
	}
	record, err := pool.Grow(id, r.GetVolumePath())
	if err != nil {
		return nil, err
	}
	return &spec.NodeExpandVolumeResponse{CapacityBytes: record.Bytes}, nil
}

func (n node) NodeGetVolumeStats(_ context.Context, r *spec.NodeGetVolumeStatsRequest) (*spec.NodeGetVolumeStatsResponse, error) {
	if r.GetVolumeId() == "" || r.GetVolumePath() == "" {
		return nil, invalid("volume ID and volume path must be given")
	}
	pool, id, err := n.driver.Pools.Of(r.GetVolumeId())
	if err != nil {
		return nil, err
	}
	u, err := pool.Usage(id, r.GetVolumePath())
	if err != nil {
		return nil, err
	}
	usage := []*spec.VolumeUsage{{Unit: spec.VolumeUsage_BYTES, Total: u.TotalBytes, Used: u.UsedBytes, Available: u.AvailableBytes}}
	if u.TotalInodes > 0 {
		usage = append(usage, &spec.VolumeUsage{Unit: spec.VolumeUsage_INODES, Total: u.TotalInodes, Used: u.UsedInodes, Available: u.AvailableInodes})
	}
	condition := &spec.VolumeCondition{Message: "nothing is wrong"}
	if ill := pool.HealthOf(id); ill != nil {
		condition = &spec.VolumeCondition{Abnormal: true, Message: ill.Error()}
	}
	return &spec.NodeGetVolumeStatsResponse{Usage: usage, VolumeCondition: condition}, nil
}

// usable checks that the volume exists and can be used in the way asked for.
func (n node) usable(id string, c *spec.VolumeCapability) error {
	if id == "" {
		return invalid("no volume ID was given")
	}
	if c == nil {
		return invalid("no volume capability was given")
	}
	record, err := n.driver.record(id)
	if err != nil {
		return err
	}
	return matches(record, c)
}
