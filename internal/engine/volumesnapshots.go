package engine

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mainstay-io/mainstay/internal/volume/snapshots"
)

// runVolumeSnapshots brings the kinds of volume snapshots into the cluster, and
// runs upstream's controller of them until ctx ends. Nothing else waits for it.
func runVolumeSnapshots(ctx context.Context, admin *rest.Config, paths Paths) error {
	if err := applySnapshotKinds(ctx, admin); err != nil {
		return err
	}
	access, err := accessOf(paths, "snapshot")
	if err != nil {
		return err
	}
	return snapshots.RunController(ctx, access)
}

// applySnapshotKinds applies the definitions at each start, so a new version
// brings its own. The classes belong to the user once they are there.
func applySnapshotKinds(ctx context.Context, admin *rest.Config) error {
	// This scheme knows the kinds of snapshots since package snapshots says so.
	c, err := client.New(admin, client.Options{Scheme: scheme.Scheme})
	if err != nil {
		return err
	}
	definitions, err := snapshots.Definitions()
	if err != nil {
		return err
	}
	for _, definition := range definitions {
		apply := client.ApplyConfigurationFromUnstructured(definition)
		if err := c.Apply(ctx, apply, client.FieldOwner("mainstay"), client.ForceOwnership); err != nil {
			return fmt.Errorf("apply %s: %w", definition.GetName(), err)
		}
	}
	for _, class := range snapshots.Classes() {
		if err := createWhenServed(ctx, c, class.(client.Object)); err != nil {
			return fmt.Errorf("create the class %s of %T: %w", snapshots.ClassName, class, err)
		}
	}
	return nil
}

// createWhenServed creates an object of a kind that was defined a moment ago,
// unless it is there.
func createWhenServed(ctx context.Context, c client.Client, object client.Object) error {
	return wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		err := client.IgnoreAlreadyExists(c.Create(ctx, object))
		if apimeta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil, err
	})
}

// snapshotRole is for whoever runs the controller of snapshots.
const snapshotRole = "mainstay:snapshot"

// snapshotObjects are the rights of the controller of snapshots.
func snapshotObjects() []runtime.Object {
	return roleOf(snapshotRole, snapshots.ControllerRules())
}
