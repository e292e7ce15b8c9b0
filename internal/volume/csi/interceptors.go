package csi

import (
	"context"
	"path"
	"time"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"k8s.io/klog/v2"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// subjectOf gives what to lock for a request: a volume's ID, or what stands for a
// snapshot or a group of them; empty if it is about none.
func subjectOf(request any) string {
	switch r := request.(type) {
	case *spec.CreateVolumeRequest:
		return volume.IDFor(r.GetName())
	case *spec.CreateSnapshotRequest:
		return volume.SnapshotLock(volume.IDFor(r.GetName()))
	case *spec.DeleteSnapshotRequest:
		return volume.SnapshotLock(r.GetSnapshotId())
	case *spec.CreateVolumeGroupSnapshotRequest:
		return volume.GroupLock(volume.IDFor(r.GetName()))
	case *spec.DeleteVolumeGroupSnapshotRequest:
		return volume.GroupLock(r.GetGroupSnapshotId())
	case interface{ GetVolumeId() string }:
		return r.GetVolumeId()
	}
	return ""
}

// logged writes a line for each call, without the
// request's content: that may hold secrets.
func logged(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	start := time.Now()
	response, err := handler(ctx, request)
	log := klog.FromContext(ctx).WithValues(
		"call", path.Base(info.FullMethod), "subject", subjectOf(request), "duration", time.Since(start).Round(time.Microsecond))
	if err != nil {
		log.Error(err, "CSI call failed", "code", status.Code(err))
	} else {
		log.V(4).Info("CSI call done")
	}
	return response, err
}

// coded gives every error its gRPC code.
func coded(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	response, err := handler(ctx, request)
	return response, withCode(err)
}

// serialized runs the calls for one volume, snapshot or group one after another,
// and after whatever another process does to it.
func (d Driver) serialized(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	id := subjectOf(request)
	if id == "" {
		return handler(ctx, request)
	}
	unlock, err := d.Pool.Lock(ctx, id)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return handler(ctx, request)
}
