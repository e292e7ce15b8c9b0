package csi

import (
	"context"
	"path"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"k8s.io/klog/v2"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// volumeOf gives the ID of the volume that a request is about; empty if it is
// about none.
func volumeOf(request any) string {
	switch r := request.(type) {
	case interface{ GetVolumeId() string }:
		return r.GetVolumeId()
	case interface{ GetName() string }: // CreateVolumeRequest
		return volume.IDFor(r.GetName())
	}
	return ""
}

// logged writes a line for each call that is about a volume, without the
// request's content: that may hold secrets.
func logged(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	start := time.Now()
	response, err := handler(ctx, request)
	log := klog.FromContext(ctx).WithValues(
		"call", path.Base(info.FullMethod), "volume", volumeOf(request), "duration", time.Since(start).Round(time.Microsecond))
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

// serialized runs the calls for one volume one after another, and after whatever
// another process does to it.
func (d Driver) serialized(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	id := volumeOf(request)
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
