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

// subjectOf gives what to lock for a request, with its pool as in a handle: a
// volume's ID, or what stands for a snapshot or a group of them; empty if it is
// about none.
func subjectOf(request any) string {
	switch r := request.(type) {
	case *spec.CreateVolumeRequest:
		return volume.Handle(volume.PoolOf(r.GetParameters()), volume.IDFor(r.GetName()))
	case *spec.CreateSnapshotRequest:
		pool, _ := volume.SplitHandle(r.GetSourceVolumeId())
		return volume.Handle(pool, volume.SnapshotLock(volume.IDFor(r.GetName())))
	case *spec.DeleteSnapshotRequest:
		pool, id := volume.SplitHandle(r.GetSnapshotId())
		return volume.Handle(pool, volume.SnapshotLock(id))
	case *spec.CreateVolumeGroupSnapshotRequest:
		return volume.Handle(poolOf(r.GetSourceVolumeIds()), volume.GroupLock(volume.IDFor(r.GetName())))
	case *spec.DeleteVolumeGroupSnapshotRequest:
		pool, id := volume.SplitHandle(r.GetGroupSnapshotId())
		return volume.Handle(pool, volume.GroupLock(id))
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
	subject := subjectOf(request)
	if subject == "" {
		return handler(ctx, request)
	}
	pool, id, err := d.Pools.Of(subject)
	if err != nil {
		// In a pool that is gone nothing can be changed. What may be left to do is
		// to unmount; everything else says by itself why not.
		return handler(ctx, request)
	}
	unlock, err := pool.Lock(ctx, id)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return handler(ctx, request)
}
