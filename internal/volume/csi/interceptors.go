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

// subjectOf names what a request is about: a volume's ID, or a snapshot or a group
// of them; empty if it is about none. No volume ID has a space in it.
func subjectOf(request any) string {
	switch r := request.(type) {
	case *spec.CreateVolumeRequest:
		return volume.IDFor(r.GetName())
	case *spec.CreateSnapshotRequest:
		return "snapshot " + volume.IDFor(r.GetName())
	case *spec.DeleteSnapshotRequest:
		return "snapshot " + r.GetSnapshotId()
	case *spec.CreateVolumeGroupSnapshotRequest:
		return "group " + volume.IDFor(r.GetName())
	case *spec.DeleteVolumeGroupSnapshotRequest:
		return "group " + r.GetGroupSnapshotId()
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

// serialized runs the calls for one volume, snapshot or group one after another.
func (l *volumeLocks) serialized(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	id := subjectOf(request)
	if id == "" {
		return handler(ctx, request)
	}
	unlock, err := l.lock(ctx, id)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return handler(ctx, request)
}
