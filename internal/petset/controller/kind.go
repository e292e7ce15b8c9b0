package controller

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	kubecontroller "k8s.io/kubernetes/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/mainstay-io/mainstay/internal/petset"
)

// kind is what the controller has to know of a kind of sets: how one is read and
// how its status is written. All else is the same for StatefulSets and PetSets.
type kind interface {
	// controllerName is what events and metrics call the controller.
	controllerName() string
	groupVersionKind() schema.GroupVersionKind
	resource() schema.GroupResource
	// empty returns an object of the kind, for watching.
	empty() client.Object
	claimTemplates(set client.Object) []corev1.PersistentVolumeClaim
	// toSet converts an object; the result may share memory with it.
	toSet(set client.Object) (petset.Set, error)
	// size says how many pets a set has or should have, whichever is more, and
	// whether it is Parallel.
	size(set client.Object) (pets int, parallel bool)
	// podChanged and claimChanged tell how a change matters to a plan.
	podChanged(old, is *corev1.Pod) urgency
	claimChanged(old, is *corev1.PersistentVolumeClaim) urgency
	// live asks the API server, not the cache.
	live(ctx context.Context, key types.NamespacedName) (metav1.Object, error)
	// writeStatus writes the status that a plan has for a set, with the resource
	// version of the set, if it differs; else it returns nil.
	writeStatus(ctx context.Context, set client.Object, plan petset.Plan) (metav1.Object, error)
	// writeInvalid tells in the status that toSet refused the set, if the kind's
	// status can tell.
	writeInvalid(ctx context.Context, set client.Object, refusal error) error
	// unready says why each thing is not ready that the set depends on.
	unready(ctx context.Context, set client.Object) ([]string, error)
	// nameTaken says which set of another kind has the set's pod names; the
	// neighbours are where it learns of them.
	nameTaken(set client.Object) string
	neighbours(from cache.Cache) []source.Source
}

// canAdopt asks the API server, not the cache, whether the set still lives,
// before it takes anything over: a set that was deleted with its pods left
// behind must not get them back (kubernetes#42639).
func canAdopt(kind kind, set client.Object) func(context.Context) error {
	return kubecontroller.RecheckDeletionTimestamp(func(ctx context.Context) (metav1.Object, error) {
		fresh, err := kind.live(ctx, client.ObjectKeyFromObject(set))
		if err != nil {
			return nil, err
		}
		if fresh.GetUID() != set.GetUID() {
			return nil, fmt.Errorf("%s was deleted and created anew", describeSet(kind, set))
		}
		return fresh, nil
	})
}

// describeSet names a set in messages.
func describeSet(kind kind, set client.Object) string {
	return fmt.Sprintf("%s %s/%s", kind.groupVersionKind().Kind, set.GetNamespace(), set.GetName())
}
