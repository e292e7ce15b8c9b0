package netdisk

import (
	"context"
	"fmt"
	"strconv"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mainstay-io/mainstay/test/csidriver"
)

const (
	// epochKey is where the publish context has the epoch of the attachment.
	epochKey    = "epoch"
	defaultSize = 1 << 30
)

// controller asks the disk server. It may run on any node, or on several.
type controller struct {
	csi.UnimplementedControllerServer
	Driver
}

func (c controller) ControllerGetCapabilities(context.Context, *csi.ControllerGetCapabilitiesRequest) (*csi.ControllerGetCapabilitiesResponse, error) {
	return csidriver.ControllerCapabilities(
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
		csi.ControllerServiceCapability_RPC_PUBLISH_UNPUBLISH_VOLUME,
	), nil
}

func (c controller) CreateVolume(ctx context.Context, r *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	for _, capability := range r.GetVolumeCapabilities() {
		if err := supported(capability); err != nil {
			return nil, err
		}
	}
	wanted, most := r.GetCapacityRange().GetRequiredBytes(), r.GetCapacityRange().GetLimitBytes()
	if wanted == 0 {
		wanted = defaultSize
	}
	var size int64
	if err := ask(ctx, c.Server, "Create", Placement{Disk: r.GetName(), Size: wanted}, &size); err != nil {
		return nil, answer(err)
	}
	if size < wanted || most > 0 && size > most {
		return nil, status.Errorf(codes.AlreadyExists, "disk %s is there, and has %d bytes", r.GetName(), size)
	}
	return &csi.CreateVolumeResponse{Volume: &csi.Volume{VolumeId: r.GetName(), CapacityBytes: size}}, nil
}

func (c controller) DeleteVolume(ctx context.Context, r *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	return &csi.DeleteVolumeResponse{}, answer(ask(ctx, c.Server, "Delete", Placement{Disk: r.GetVolumeId()}, &Nothing{}))
}

func (c controller) ValidateVolumeCapabilities(_ context.Context, r *csi.ValidateVolumeCapabilitiesRequest) (*csi.ValidateVolumeCapabilitiesResponse, error) {
	for _, capability := range r.GetVolumeCapabilities() {
		if err := supported(capability); err != nil {
			return &csi.ValidateVolumeCapabilitiesResponse{Message: err.Error()}, nil
		}
	}
	return &csi.ValidateVolumeCapabilitiesResponse{Confirmed: &csi.ValidateVolumeCapabilitiesResponse_Confirmed{VolumeCapabilities: r.GetVolumeCapabilities()}}, nil
}

func (c controller) ControllerPublishVolume(ctx context.Context, r *csi.ControllerPublishVolumeRequest) (*csi.ControllerPublishVolumeResponse, error) {
	var epoch int64
	if err := ask(ctx, c.Server, "Attach", Placement{Disk: r.GetVolumeId(), Node: r.GetNodeId()}, &epoch); err != nil {
		return nil, answer(err)
	}
	return &csi.ControllerPublishVolumeResponse{PublishContext: map[string]string{epochKey: strconv.FormatInt(epoch, 10)}}, nil
}

// ControllerUnpublishVolume detaches at once, whether or not the node is done with
// the disk: who calls it without having unstaged the volume detaches by force.
func (c controller) ControllerUnpublishVolume(ctx context.Context, r *csi.ControllerUnpublishVolumeRequest) (*csi.ControllerUnpublishVolumeResponse, error) {
	err := ask(ctx, c.Server, "Detach", Placement{Disk: r.GetVolumeId(), Node: r.GetNodeId()}, &Nothing{})
	if refused := refusalOf(err); refused != nil && refused.code == missing {
		err = nil // there is nothing to detach
	}
	return &csi.ControllerUnpublishVolumeResponse{}, answer(err)
}

// supported is a file system for one node.
func supported(capability *csi.VolumeCapability) error {
	switch mode := capability.GetAccessMode().GetMode(); mode {
	case csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER, csi.VolumeCapability_AccessMode_SINGLE_NODE_SINGLE_WRITER,
		csi.VolumeCapability_AccessMode_SINGLE_NODE_MULTI_WRITER, csi.VolumeCapability_AccessMode_SINGLE_NODE_READER_ONLY:
	default:
		return status.Error(codes.InvalidArgument, fmt.Sprintf("a network disk is for one node at a time, not for %s: take ReadWriteOnce", mode))
	}
	if capability.GetBlock() != nil {
		return status.Error(codes.InvalidArgument, "a network disk is given as a file system: take volumeMode Filesystem")
	}
	return nil
}
