package controller

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mainstay-io/mainstay/internal/petset"
)

// writeStatus writes the status when it differs from the one observed. The
// resource version of the observation goes with it: a status is never written
// over one that was made from a later observation.
func (r *reconciler) writeStatus(ctx context.Context, set client.Object, plan petset.Plan) error {
	written, err := r.kind.writeStatus(ctx, set, plan)
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("status of %s: %w", describeSet(r.kind, set), err)
	case written != nil:
		r.writes.wrote(set, r.kind.resource(), written)
	}
	return nil
}
