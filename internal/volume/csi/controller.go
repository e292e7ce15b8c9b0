package csi

import (
	"context"

	spec "github.com/container-storage-interface/spec/lib/go/csi"

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
	source, err := sourceOf(r.GetVolumeContentSource())
	if err != nil {
		return nil, err
	}
	record, err := c.driver.Pool.CreateFrom(ctx, wanted, source, c.driver.Pool.Lock)
	if err != nil {
		return nil, err
	}
	return &spec.CreateVolumeResponse{Volume: c.describe(record)}, nil
}

func (c controller) describe(r volume.Record) *spec.Volume {
	return &spec.Volume{
		VolumeId:           r.ID,
		CapacityBytes:      r.Bytes,
		AccessibleTopology: []*spec.Topology{topologyOf(c.driver.NodeName)},
		ContentSource:      contentSource(r.Source),
	}
}

func (c controller) DeleteVolume(_ context.Context, r *spec.DeleteVolumeRequest) (*spec.DeleteVolumeResponse, error) {
	if r.GetVolumeId() == "" {
		return nil, invalid("no volume ID was given")
	}
	return &spec.DeleteVolumeResponse{}, c.driver.Pool.Delete(r.GetVolumeId())
}

func (c controller) ControllerExpandVolume(_ context.Context, r *spec.ControllerExpandVolumeRequest) (*spec.ControllerExpandVolumeResponse, error) {
	if r.GetVolumeId() == "" {
		return nil, invalid("no volume ID was given")
	}
	if r.GetCapacityRange() == nil {
		return nil, invalid("no size was given for volume %s", r.GetVolumeId())
	}
	record, err := c.driver.Pool.Expand(r.GetVolumeId(), r.GetCapacityRange().GetRequiredBytes(), r.GetCapacityRange().GetLimitBytes())
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
	_, err := c.driver.Pool.Modify(r.GetVolumeId(), r.GetMutableParameters())
	return &spec.ControllerModifyVolumeResponse{}, err
}

func (c controller) GetCapacity(_ context.Context, r *spec.GetCapacityRequest) (*spec.GetCapacityResponse, error) {
	if t := r.GetAccessibleTopology(); t != nil && !contains(t, c.driver.NodeName) {
		return &spec.GetCapacityResponse{}, nil
	}
	if len(r.GetVolumeCapabilities()) > 0 {
		if _, err := fileSystemFor(r.GetVolumeCapabilities()); err != nil {
			return &spec.GetCapacityResponse{}, nil // of such volumes there are none
		}
	}
	available, err := c.driver.Pool.Available()
	return &spec.GetCapacityResponse{AvailableCapacity: available}, err
}

func (c controller) ValidateVolumeCapabilities(_ context.Context, r *spec.ValidateVolumeCapabilitiesRequest) (*spec.ValidateVolumeCapabilitiesResponse, error) {
	if r.GetVolumeId() == "" {
		return nil, invalid("no volume ID was given")
	}
	if len(r.GetVolumeCapabilities()) == 0 {
		return nil, invalid("no volume capability was given")
	}
	record, err := c.driver.Pool.Get(r.GetVolumeId())
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
