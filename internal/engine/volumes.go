package engine

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/component-base/metrics/legacyregistry"

	"github.com/mainstay-io/mainstay/internal/volume/driver"
)

// runVolumes runs the CSI driver of the default StorageClass until ctx ends. It
// may start before the API answers: pods that start again want their volumes at
// once.
func runVolumes(ctx context.Context, config Config, paths Paths, api lifeline) error {
	access, err := accessOf(paths, "volume")
	if err != nil {
		return err
	}
	access.Wrap(api.wrap)
	return driver.Run(ctx, driver.Config{
		NodeName: config.NodeName, Version: Version, KubeletDir: paths.Kubelet(),
		Pools: config.places(paths), PoolStateDir: paths.pools(), SocketDir: paths.csi(), RESTConfig: access,
		Register: legacyregistry.RawMustRegister, // which kubelet shows at /metrics, to whoever may read it
	})
}

// volumeRole is for whoever runs the driver.
const volumeRole = "mainstay:volume"

// volumeObjects are what the driver needs in the cluster.
func volumeObjects() []runtime.Object {
	return append(roleOf(volumeRole, driver.Rules()), driver.CSIDriver())
}
