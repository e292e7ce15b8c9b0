// Package driver puts the parts of Mainstay's volumes together: one call runs
// everything that a node needs to make volumes for its pods.
package driver

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/csi"
	"github.com/mainstay-io/mainstay/internal/volume/metrics"
	"github.com/mainstay-io/mainstay/internal/volume/poolstatus"
	"github.com/mainstay-io/mainstay/internal/volume/provisioner"
	"github.com/mainstay-io/mainstay/internal/volume/snapshots"
)

// Config is what the driver of one node needs to know. All fields but Version
// and Register are required.
type Config struct {
	// NodeName is the node's name in Kubernetes.
	NodeName string
	// Version is reported to whoever asks the driver for it.
	Version string
	// PoolDir holds the volumes; it is created where it is missing, for root only.
	PoolDir string
	// KubeletDir is kubelet's root directory.
	KubeletDir string
	// SocketDir holds the CSI socket; it is created where it is missing, for root only.
	SocketDir string
	// RESTConfig reaches the API server. Its user needs what Rules says.
	RESTConfig *rest.Config
	// Register is given what tells Prometheus of the volumes' performance. May be
	// nil: then nobody is told.
	Register func(...prometheus.Collector)
}

// capacityNamespace holds what the scheduler is told of the nodes' free space.
const capacityNamespace = "kube-system"

// Run serves kubelet and volume claims until ctx ends, and then returns nil. It
// may be started before kubelet and before the API server answers. Mounted
// volumes stay mounted when it ends, however it ends; Cleanup takes them down.
func Run(ctx context.Context, c Config) error {
	pool, err := volume.Open(c.PoolDir)
	if err != nil {
		return fmt.Errorf("open the volume pool %s: %w", c.PoolDir, err)
	}
	socket := filepath.Join(c.SocketDir, "csi.sock")
	node := csi.Driver{NodeName: c.NodeName, Version: c.Version, Pool: pool}

	if c.Register != nil {
		c.Register(metrics.Collector{NodeName: c.NodeName, Pools: []metrics.Pool{{Name: c.NodeName, Pool: pool}}})
	}

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return node.Serve(ctx, socket) })
	group.Go(func() error { return pool.Govern(ctx) })
	group.Go(func() error {
		return poolstatus.Run(ctx, poolstatus.Config{RESTConfig: c.RESTConfig, NodeName: c.NodeName, Pool: pool})
	})
	group.Go(func() error { return csi.Register(ctx, c.KubeletDir, socket) })
	group.Go(func() error {
		return snapshots.RunNode(ctx, snapshots.NodeConfig{RESTConfig: c.RESTConfig, NodeName: c.NodeName, Endpoint: socket})
	})
	group.Go(func() error {
		return provisioner.Run(ctx, provisioner.Config{
			RESTConfig: c.RESTConfig, NodeName: c.NodeName, Endpoint: socket, Namespace: capacityNamespace, Performance: pool.Performance,
		})
	})
	return group.Wait()
}

// Cleanup unmounts and detaches all volumes of a pool; see volume.Cleanup.
func Cleanup(poolDir, kubeletDir string) error { return volume.Cleanup(poolDir, kubeletDir) }
