package engine

import (
	"context"
	"fmt"

	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

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
	if err := petsetcontroller.Add(ctx, manager, petsetcontroller.Options{StatefulSets: true, PetSets: true}); err != nil {
		return fmt.Errorf("controllers of StatefulSets and PetSets: %w", err)
	}
	return manager.Start(ctx)
}
