package controller

import (
	"context"
	"fmt"

	apps "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/internal/petset"
)

// writeStatus writes the status when it differs from the one observed. The
// resource version of the observation goes with it: a status is never written
// over one that was made from a later observation.
func (r *reconciler) writeStatus(ctx context.Context, set *apps.StatefulSet, status apps.StatefulSetStatus) error {
	if !petset.StatusChanged(set.Status, status) {
		return nil
	}
	update := *set // what it points to is shared with the cache, and only read
	update.Status = status
	written, err := r.client.AppsV1().StatefulSets(set.Namespace).UpdateStatus(ctx, &update, metav1.UpdateOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("status of StatefulSet %s/%s: %w", set.Namespace, set.Name, err)
	}
	r.writes.wrote(set, setResource, written)
	return nil
}
