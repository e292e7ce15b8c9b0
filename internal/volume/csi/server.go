package csi

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// TopologyKey is the node label, and the topology segment, that says on which
// node a volume is. kubelet sets the label.
const TopologyKey = "topology.mainstay.dev/node"

// maxSocketPath is what fits into sockaddr_un with its final zero.
const maxSocketPath = 107

// gracePeriod is how long calls under way may take to finish when the driver is
// asked to end. A copy of a large volume takes longer; its caller repeats it.
const gracePeriod = 5 * time.Second

// Driver serves one node's pools.
type Driver struct {
	// NodeName is the node's name in Kubernetes.
	NodeName string
	// Version is the build's, for people.
	Version string
	Pools   *volume.Pools
}

// record gives the record of the volume with that handle.
func (d Driver) record(handle string) (volume.Record, error) {
	pool, id, err := d.Pools.Of(handle)
	if err != nil {
		return volume.Record{}, err
	}
	return pool.Get(id)
}

// Serve answers CSI calls on a Unix socket, open to root only, until ctx ends;
// calls under way are finished, if they take no longer than gracePeriod. A socket that a killed driver has left is
// replaced.
func (d Driver) Serve(ctx context.Context, socket string) error {
	listener, err := Listen(socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.ChainUnaryInterceptor(logged, coded, d.serialized))
	spec.RegisterIdentityServer(server, identity{driver: d})
	spec.RegisterControllerServer(server, controller{driver: d})
	spec.RegisterGroupControllerServer(server, groupController{driver: d})
	spec.RegisterNodeServer(server, node{driver: d})
	return serveUntil(ctx, server, listener)
}

// Listen makes the socket, its directory where that is missing, and keeps both
// to root.
func Listen(socket string) (net.Listener, error) {
	if len(socket) > maxSocketPath {
		return nil, fmt.Errorf("the socket path %s is longer than %d bytes: choose a shorter directory", socket, maxSocketPath)
	}
	if err := os.MkdirAll(filepath.Dir(socket), 0o700); err != nil {
		return nil, err
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

func serveUntil(ctx context.Context, server *grpc.Server, listener net.Listener) error {
	stop := context.AfterFunc(ctx, func() {
		forced := time.AfterFunc(gracePeriod, server.Stop)
		defer forced.Stop()
		server.GracefulStop()
	})
	defer stop()
	err := server.Serve(listener)
	if errors.Is(err, grpc.ErrServerStopped) {
		return nil // ctx had ended before
	}
	return err
}
