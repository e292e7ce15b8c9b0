package csidriver

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// free is what the driver says is left, in bytes.
const free = 1 << 40

// volume is the directory of a volume: "data" is what a pod sees, "attached"
// there while it is attached, "parameters" what it was modified to.
func (d Driver) volume(id string, below ...string) string {
	return filepath.Join(append([]string{d.StateDir, "volumes", id}, below...)...)
}

func (d Driver) snapshot(id string) string { return filepath.Join(d.StateDir, "snapshots", id) }

type controller struct {
	csi.UnimplementedControllerServer
	Driver
}

func (c controller) ControllerGetCapabilities(context.Context, *csi.ControllerGetCapabilitiesRequest) (*csi.ControllerGetCapabilitiesResponse, error) {
	return ControllerCapabilities(
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
		csi.ControllerServiceCapability_RPC_PUBLISH_UNPUBLISH_VOLUME,
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_SNAPSHOT,
		csi.ControllerServiceCapability_RPC_CLONE_VOLUME,
		csi.ControllerServiceCapability_RPC_EXPAND_VOLUME,
		csi.ControllerServiceCapability_RPC_MODIFY_VOLUME,
		csi.ControllerServiceCapability_RPC_GET_CAPACITY,
	), nil
}

func (c controller) CreateVolume(_ context.Context, r *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	id := r.GetName()
	source := r.GetVolumeContentSource()
	switch {
	case exists(c.volume(id, "data")): // made before
	case source.GetSnapshot() != nil:
		if err := copyTree(c.snapshot(source.GetSnapshot().GetSnapshotId()), c.volume(id, "data")); err != nil {
			return nil, err
		}
	case source.GetVolume() != nil:
		if err := copyTree(c.volume(source.GetVolume().GetVolumeId(), "data"), c.volume(id, "data")); err != nil {
			return nil, err
		}
	default:
		if err := os.MkdirAll(c.volume(id, "data"), 0o777); err != nil {
			return nil, err
		}
	}
	return &csi.CreateVolumeResponse{Volume: &csi.Volume{
		VolumeId: id, CapacityBytes: r.GetCapacityRange().GetRequiredBytes(), ContentSource: source,
		AccessibleTopology: []*csi.Topology{{Segments: map[string]string{c.TopologyKey(): c.NodeName}}},
	}}, nil
}

func (c controller) DeleteVolume(_ context.Context, r *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	if exists(c.volume(r.GetVolumeId(), "attached")) {
		return nil, status.Error(codes.FailedPrecondition, "the volume is attached")
	}
	return &csi.DeleteVolumeResponse{}, os.RemoveAll(c.volume(r.GetVolumeId()))
}

func (c controller) ControllerPublishVolume(_ context.Context, r *csi.ControllerPublishVolumeRequest) (*csi.ControllerPublishVolumeResponse, error) {
	err := os.WriteFile(c.volume(r.GetVolumeId(), "attached"), []byte(r.GetNodeId()), 0o600)
	return &csi.ControllerPublishVolumeResponse{PublishContext: map[string]string{"attached-to": r.GetNodeId()}}, err
}

func (c controller) ControllerUnpublishVolume(_ context.Context, r *csi.ControllerUnpublishVolumeRequest) (*csi.ControllerUnpublishVolumeResponse, error) {
	return &csi.ControllerUnpublishVolumeResponse{}, os.RemoveAll(c.volume(r.GetVolumeId(), "attached"))
}

func (c controller) ControllerExpandVolume(_ context.Context, r *csi.ControllerExpandVolumeRequest) (*csi.ControllerExpandVolumeResponse, error) {
	return &csi.ControllerExpandVolumeResponse{CapacityBytes: r.GetCapacityRange().GetRequiredBytes(), NodeExpansionRequired: true}, nil
}

func (c controller) ControllerModifyVolume(_ context.Context, r *csi.ControllerModifyVolumeRequest) (*csi.ControllerModifyVolumeResponse, error) {
	text, err := json.Marshal(r.GetMutableParameters())
	if err != nil {
		return nil, err
	}
	return &csi.ControllerModifyVolumeResponse{}, os.WriteFile(c.volume(r.GetVolumeId(), "parameters"), text, 0o600)
}

func (c controller) CreateSnapshot(_ context.Context, r *csi.CreateSnapshotRequest) (*csi.CreateSnapshotResponse, error) {
	id := r.GetName()
	if !exists(c.snapshot(id)) {
		if err := copyTree(c.volume(r.GetSourceVolumeId(), "data"), c.snapshot(id)); err != nil {
			return nil, err
		}
	}
	return &csi.CreateSnapshotResponse{Snapshot: &csi.Snapshot{
		SnapshotId: id, SourceVolumeId: r.GetSourceVolumeId(), ReadyToUse: true, CreationTime: timestamppb.Now(),
	}}, nil
}

func (c controller) DeleteSnapshot(_ context.Context, r *csi.DeleteSnapshotRequest) (*csi.DeleteSnapshotResponse, error) {
	return &csi.DeleteSnapshotResponse{}, os.RemoveAll(c.snapshot(r.GetSnapshotId()))
}

func (c controller) GetCapacity(context.Context, *csi.GetCapacityRequest) (*csi.GetCapacityResponse, error) {
	return &csi.GetCapacityResponse{AvailableCapacity: free}, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// copyTree copies a directory; what is there is there as a whole.
func copyTree(from, to string) error {
	part := to + ".part"
	if err := errors.Join(os.RemoveAll(part), os.MkdirAll(filepath.Dir(to), 0o700)); err != nil {
		return err
	}
	if err := os.CopyFS(part, os.DirFS(from)); err != nil {
		return err
	}
	return os.Rename(part, to)
}
