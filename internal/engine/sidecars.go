package engine

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mainstay-io/mainstay/internal/volume/sidecars"
)

const (
	sidecarsUser = "mainstay:sidecars"
	// sidecarsNamespace holds what the sidecars remember of a driver.
	sidecarsNamespace = metav1.NamespaceSystem
)

// runSidecars stands in for the sidecars of other people's CSI drivers until ctx
// ends.
func runSidecars(ctx context.Context, config Config, paths Paths) error {
	access, err := accessOf(paths, "sidecars")
	if err != nil {
		return err
	}
	fence := paths.fence()
	memory, err := fence.OpenMemory()
	if err != nil {
		return err
	}
	defer memory.Close()
	return sidecars.Run(ctx, sidecars.Config{
		RESTConfig: access, NodeName: config.NodeName, KubeletDir: paths.Kubelet(), Namespace: sidecarsNamespace,
		Holds: func() bool { return !fence.Armed() || memory.Holds() },
	})
}

// sidecarObjects are the rights of the sidecars.
func sidecarObjects() []runtime.Object {
	return append(roleOf(sidecarsUser, sidecars.Rules()), roleWithin(sidecarsNamespace, sidecarsUser, sidecars.NamespaceRules())...)
}
