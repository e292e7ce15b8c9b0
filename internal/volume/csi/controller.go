package csi

import (
	"context"
	"errors"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// controller makes, removes, enlarges and counts the volumes of its node.
type controller struct {
	spec.UnimplementedControllerServer
	driver Driver
}

func (c controller) ControllerGetCapabilities(context.Context, *spec.ControllerGetCapabilitiesRequest) (*spec.ControllerGetCapabilitiesResponse, error) {
	response := &spec.ControllerGetCapabilitiesResponse{}
	for _, t := range []spec.ControllerServiceCapability_RPC_Type{
		spec.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
		spec.ControllerServiceCapability_RPC_LIST_VOLUMES,
		spec.ControllerServiceCapability_RPC_GET_CAPACITY,
		spec.ControllerServiceCapability_RPC_EXPAND_VOLUME,
		spec.ControllerServiceCapability_RPC_MODIFY_VOLUME,
		spec.ControllerServiceCapability_RPC_SINGLE_NODE_MULTI_WRITER,
		spec.ControllerServiceCapability_RPC_CREATE_DELETE_SNAPSHOT,
		spec.ControllerServiceCapability_RPC_LIST_SNAPSHOTS,
		spec.ControllerServiceCapability_RPC_CLONE_VOLUME,
	} {
		response.Capabilities = append(response.Capabilities, &spec.ControllerServiceCapability{
			Type: &spec.ControllerServiceCapability_Rpc{Rpc: &spec.ControllerServiceCapability_RPC{Type: t}},
		})
	}
	return response, nil
}

func (c controller) CreateVolume(ctx context.Context, r *spec.CreateVolumeRequest) (*spec.CreateVolumeResponse, error) {
	wanted, err := volumeSpec(r, c.driver.NodeName)
	if err != nil {
		return nil, err
	}
	pool, err := c.driver.Pools.Pool(volume.PoolOf(r.GetParameters()))
	if err != nil {
		return nil, elsewhere(err)
	}
	source, err := sourceOf(pool, r.GetVolumeContentSource())
	if err != nil {
		return nil, err
	}
	record, err := pool.CreateFrom(ctx, wanted, source, pool.Lock)
	if err != nil {
		return nil, elsewhere(err)
	}
	return &spec.CreateVolumeResponse{Volume: c.describe(pool, record)}, nil
}

// elsewhere lets a volume be made on another node if this one lacks its pool. The
// code is the specification's for that.
func elsewhere(err error) error {
	if errors.Is(err, volume.ErrNoPool) || errors.Is(err, volume.ErrUnusable) {
		return status.Error(codes.ResourceExhausted, err.Error())
	}
	return err
}

func (c controller) describe(pool *volume.Pool, r volume.Record) *spec.Volume {
	return &spec.Volume{
		VolumeId:           pool.Handle(r.ID),
		CapacityBytes:      r.Bytes,
		AccessibleTopology: []*spec.Topology{topologyOf(c.driver.NodeName)},
		ContentSource:      contentSource(pool, r.Source),
	}
}

func (c controller) DeleteVolume(_ context.Context, r *spec.DeleteVolumeRequest) (*spec.DeleteVolumeResponse, error) {
	if r.GetVolumeId() == "" {
		return nil, invalid("no volume ID was given")
	}
	pool, id, err := c.driver.Pools.Of(r.GetVolumeId())
	if err != nil {
		return nil, err
	}
	return &spec.DeleteVolumeResponse{}, pool.Delete(id)
}

func (c controller) ControllerExpandVolume(_ context.Context, r *spec.ControllerExpandVolumeRequest) (*spec.ControllerExpandVolumeResponse, error) {
	if r.GetVolumeId() == "" {
		return nil, invalid("no volume ID was given")
	}
	if r.GetCapacityRange() == nil {
		return nil, invalid("no size was given for volume %s", r.GetVolumeId())
	}
	pool, id, err := c.driver.Pools.Of(r.GetVolumeId())
	if err != nil {
		return nil, err
	}
	record, err := pool.Expand(id, r.GetCapacityRange().GetRequiredBytes(), r.GetCapacityRange().GetLimitBytes())
	if err != nil {
		return nil, err
	}
	return &spec.ControllerExpandVolumeResponse{CapacityBytes: record.Bytes, NodeExpansionRequired: true}, nil
}

// ControllerModifyVolume changes the quality of service of a volume; parameters
// that are absent change nothing.
func (c controller) ControllerModifyVolume(_ context.Context, r *spec.ControllerModifyVolumeRequest) (*spec.ControllerModifyVolumeResponse, error) {
	if r.GetVolumeId() == "" {
		return nil, invalid("no volume ID was given")
	}
	pool, id, err := c.driver.Pools.Of(r.GetVolumeId())
	if err != nil {
		return nil, err
	}
	_, err = pool.Modify(id, r.GetMutableParameters())
	return &spec.ControllerModifyVolumeResponse{}, err
}

// GetCapacity tells of the pool that the parameters mean. One that cannot be used
// now has no room; one that this node does not have is not found.
func (c controller) GetCapacity(_ context.Context, r *spec.GetCapacityRequest) (*spec.GetCapacityResponse, error) {
	if t := r.GetAccessibleTopology(); t != nil && !contains(t, c.driver.NodeName) {
		return &spec.GetCapacityResponse{}, nil
	}
	if len(r.GetVolumeCapabilities()) > 0 {
		if _, err := fileSystemFor(r.GetVolumeCapabilities()); err != nil {
			return &spec.GetCapacityResponse{}, nil // of such volumes there are none
		}
	}
	pool, err := c.driver.Pools.Pool(volume.PoolOf(r.GetParameters()))
	if errors.Is(err, volume.ErrNoPool) {
		return nil, status.Error(codes.NotFound, err.Error())
	}
	if errors.Is(err, volume.ErrUnusable) {
		return &spec.GetCapacityResponse{}, nil
	}
	if err != nil {
		return nil, err
	}
	available, err := pool.Available()
	if errors.Is(err, volume.ErrUnusable) {
		return &spec.GetCapacityResponse{}, nil
	}
	return &spec.GetCapacityResponse{AvailableCapacity: available}, err
}

func (c controller) ValidateVolumeCapabilities(_ context.Context, r *spec.ValidateVolumeCapabilitiesRequest) (*spec.ValidateVolumeCapabilitiesResponse, error) {
	if r.GetVolumeId() == "" {
		return nil, invalid("no volume ID was given")
	}
	if len(r.GetVolumeCapabilities()) == 0 {
		return nil, invalid("no volume capability was given")
	}
	record, err := c.driver.record(r.GetVolumeId())
	if err != nil {
		return nil, err
	}
	for _, capability := range r.GetVolumeCapabilities() {
		if err := matches(record, capability); err != nil {
			return &spec.ValidateVolumeCapabilitiesResponse{Message: err.Error()}, nil
		}
	}
	return &spec.ValidateVolumeCapabilitiesResponse{Confirmed: &spec.ValidateVolumeCapabilitiesResponse_Confirmed{
		VolumeContext:      r.GetVolumeContext(),
		VolumeCapabilities: r.GetVolumeCapabilities(),
		Parameters:         r.GetParameters(),
	}}, nil
}
