// Package driver puts the parts of Mainstay's volumes together: one call runs
// everything that a node needs to make volumes for its pods.
package driver

import (
	"context"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

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
	// Pools are where the node's volumes are. There must be one of the name
	// volume.DefaultPool; where that is missing it is created, for root only.
	Pools []volume.Place
	// PoolStateDir remembers which pools there were, and is where those are mounted
	// that are block devices; it is created where it is missing, for root only.
	PoolStateDir string
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

// lookForPool is how often a pool that was never there is looked for.
const lookForPool = 5 * time.Second

// capacityNamespace holds what the scheduler is told of the nodes' free space.
const capacityNamespace = "kube-system"

// Run serves kubelet and volume claims until ctx ends, and then returns nil. It
// may be started before kubelet and before the API server answers. Mounted
// volumes stay mounted when it ends, however it ends; Cleanup takes them down.
func Run(ctx context.Context, c Config) error {
	pools, err := volume.NewPools(c.Pools, c.PoolStateDir)
	if err != nil {
		return err
	}
	socket := filepath.Join(c.SocketDir, "csi.sock")
	node := csi.Driver{NodeName: c.NodeName, Version: c.Version, Pools: pools}

	if c.Register != nil {
		c.Register(metrics.Collector{NodeName: c.NodeName, Pools: pools})
	}

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return node.Serve(ctx, socket) })
	for _, name := range pools.Names() {
		group.Go(func() error { return govern(ctx, pools, name) })
	}
	group.Go(func() error {
		return poolstatus.Run(ctx, poolstatus.Config{RESTConfig: c.RESTConfig, NodeName: c.NodeName, Pools: pools})
	})
	group.Go(func() error { return csi.Register(ctx, c.KubeletDir, socket) })
	group.Go(func() error {
		return snapshots.RunNode(ctx, snapshots.NodeConfig{RESTConfig: c.RESTConfig, NodeName: c.NodeName, Endpoint: socket})
	})
	group.Go(func() error {
		return provisioner.Run(ctx, provisioner.Config{
			RESTConfig: c.RESTConfig, NodeName: c.NodeName, Endpoint: socket, Namespace: capacityNamespace,
			Performance: pools.Performance, Health: pools.Health,
		})
	})
	return group.Wait()
}

// govern sees to the quality of service of a pool's volumes, once the pool is there.
func govern(ctx context.Context, pools *volume.Pools, name string) error {
	for told := ""; ; {
		pool, err := pools.Pool(name)
		if err == nil {
			return pool.Govern(ctx)
		}
		if err.Error() != told {
			told = err.Error()
			klog.FromContext(ctx).Error(err, "A pool of volumes cannot be used", "pool", name)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(lookForPool):
		}
	}
}

// Cleanup unmounts and detaches all volumes of the node's pools, and the pools' own
// devices; see volume.CleanupAll.
func Cleanup(defaultDir, stateDir, kubeletDir string) error {
	return volume.CleanupAll(defaultDir, stateDir, kubeletDir)
}
