package netdisk

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strconv"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/mount-utils"
	"k8s.io/utils/exec"
)

func (n *node) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: n.NodeName}, nil
}

func (n *node) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	return &csi.NodeGetCapabilitiesResponse{Capabilities: []*csi.NodeServiceCapability{{
		Type: &csi.NodeServiceCapability_Rpc{Rpc: &csi.NodeServiceCapability_RPC{Type: csi.NodeServiceCapability_RPC_STAGE_UNSTAGE_VOLUME}},
	}}}, nil
}

// NodeStageVolume makes the disk's device and mounts its file system, which it makes
// the first time.
func (n *node) NodeStageVolume(ctx context.Context, r *csi.NodeStageVolumeRequest) (*csi.NodeStageVolumeResponse, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	disk, target := r.GetVolumeId(), r.GetStagingTargetPath()
	epoch, err := strconv.ParseInt(r.GetPublishContext()[epochKey], 10, 64)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, "the publish context has no epoch: ControllerPublishVolume comes first")
	}
	if device := n.devices[disk]; device != nil && device.Epoch() == epoch {
		if mounted, err := mountinfo.Mounted(target); mounted && err == nil {
			return &csi.NodeStageVolumeResponse{}, nil
		}
	}
	// What an earlier attachment has left, or a process that was killed.
	if err := n.unstage(disk, target); err != nil {
		return nil, err
	}
	writer := Writer{Disk: disk, Node: n.NodeName, Epoch: epoch}
	device, err := OpenDevice(ctx, n.Server, writer, n.deviceDir(disk), n.Patience)
	if err != nil {
		return nil, answer(err)
	}
	n.devices[disk] = device
	if err := os.MkdirAll(target, 0o750); err != nil {
		return nil, err
	}
	mounter := mount.SafeFormatAndMount{Interface: mount.New(""), Exec: exec.New()}
	options := r.GetVolumeCapability().GetMount().GetMountFlags()
	return &csi.NodeStageVolumeResponse{}, mounter.FormatAndMount(device.Path, target, "ext4", options)
}

func (n *node) NodeUnstageVolume(_ context.Context, r *csi.NodeUnstageVolumeRequest) (*csi.NodeUnstageVolumeResponse, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return &csi.NodeUnstageVolumeResponse{}, n.unstage(r.GetVolumeId(), r.GetStagingTargetPath())
}

func (n *node) unstage(disk, target string) error {
	if err := unmount(target); err != nil {
		return err
	}
	if device := n.devices[disk]; device != nil {
		delete(n.devices, disk)
		return device.Close()
	}
	return removeDevice(n.deviceDir(disk))
}

func (n *node) NodePublishVolume(_ context.Context, r *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	target := r.GetTargetPath()
	if err := os.MkdirAll(target, 0o750); err != nil {
		return nil, err
	}
	if mounted, err := mountinfo.Mounted(target); mounted || err != nil {
		return &csi.NodePublishVolumeResponse{}, err
	}
	if err := unix.Mount(r.GetStagingTargetPath(), target, "", unix.MS_BIND, ""); err != nil {
		return nil, err
	}
	if r.GetReadonly() {
		return &csi.NodePublishVolumeResponse{}, unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
	}
	return &csi.NodePublishVolumeResponse{}, nil
}

func (n *node) NodeUnpublishVolume(_ context.Context, r *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	if err := unmount(r.GetTargetPath()); err != nil {
		return nil, err
	}
	if err := os.Remove(r.GetTargetPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}

// unmount unmounts what is mounted at a path, as often as it is.
func unmount(path string) error {
	for {
		switch err := unix.Unmount(path, 0); {
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT): // nothing is mounted there
			return nil
		case err != nil:
			return status.Errorf(codes.Internal, "unmount %s: %v", path, err)
		}
	}
}
