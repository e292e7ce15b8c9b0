package engine

import (
	"context"
	"fmt"

	ctrl "sigs.k8s.io/controller-runtime"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	petsetcontroller "github.com/mainstay-io/mainstay/internal/petset/controller"

	"k8s.io/klog/v2"
)

// runPetSets runs our controller of StatefulSets until ctx ends.
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
	if err := petsetcontroller.Add(manager, petsetcontroller.Options{}); err != nil {
		return fmt.Errorf("StatefulSet controller: %w", err)
	}
	return manager.Start(ctx)
}
