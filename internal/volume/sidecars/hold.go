package sidecars

import (
	"context"
	"errors"
	"strings"
	"time"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/apimachinery/pkg/util/wait"
)

// onlyWhile lets a driver be told to do something only while the node's lease holds.
// When it has run out, another node may lead in this one's place, before this one
// notices: it may be cut off from the API, and yet not from the driver's disks. What it
// would do then follows from what it knew: a volume could be detached from where it is
// in use by now. The error says that nobody knows what became of the call, so that it
// is repeated, by whoever leads.
func onlyWhile(holds func() bool) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, request, reply any, connection *grpc.ClientConn, call grpc.UnaryInvoker, options ...grpc.CallOption) error {
		if acts(method) && !holds() {
			return status.Error(codes.Unavailable, errRanOut.Error())
		}
		return call(ctx, method, request, reply, connection, options...)
	}
}

var errRanOut = errors.New("the lease of this node has run out: others may do its work now")

// until returns when it is so, or with ctx.
func until(ctx context.Context, isSo func() bool) error {
	return wait.PollUntilContextCancel(ctx, time.Second, true, func(context.Context) (bool, error) { return isSo(), nil })
}

// acts: the method changes something, or asks what the driver has. What the driver can
// do may be asked at any time.
func acts(method string) bool {
	service, name, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	controls := service == spec.Controller_ServiceDesc.ServiceName || service == spec.GroupController_ServiceDesc.ServiceName
	return controls && !strings.HasSuffix(name, "GetCapabilities")
}
