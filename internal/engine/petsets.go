package engine

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	petsetcontroller "github.com/mainstay-io/mainstay/internal/petset/controller"
)

// runPetSets runs our controllers of StatefulSets and PetSets until ctx ends.
func runPetSets(ctx context.Context, paths Paths) error {
	access, err := accessOf(paths, "petset")
	if err != nil {
		return err
	}
	ctrl.SetLogger(klog.Background())
	manager, err := ctrl.NewManager(access, ctrl.Options{Metrics: metricsserver.Options{BindAddress: "0"}})
	if err != nil {
		return err
	}
	if err := waitForPetSets(ctx, access); err != nil {
		return err
	}
	if err := petsetcontroller.Add(manager, petsetcontroller.Options{StatefulSets: true, PetSets: true}); err != nil {
		return fmt.Errorf("controllers of StatefulSets and PetSets: %w", err)
	}
	return manager.Start(ctx)
}

// waitForPetSets waits until the API server serves the kind. At the first start
// that takes a moment after its definition is there.
func waitForPetSets(ctx context.Context, access *rest.Config) error {
	client, err := discovery.NewDiscoveryClientForConfig(access)
	if err != nil {
		return err
	}
	return wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(context.Context) (bool, error) {
		kinds, err := client.ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String())
		return err == nil && knowsPetSets(kinds), nil
	})
}
