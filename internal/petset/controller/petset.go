package controller

import (
	"context"
	"time"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/petset"
)

// petSets are the sets of mainstay.dev. The client must read from the API server
// itself.
type petSets struct {
	client client.Client
	// statefulSets hold names, too.
	statefulSets toolscache.SharedIndexInformer
}

func (petSets) controllerName() string                    { return "petset-controller" }
func (petSets) groupVersionKind() schema.GroupVersionKind { return petset.PetSetKind }
func (petSets) empty() client.Object                      { return &v1alpha1.PetSet{} }

func (petSets) resource() schema.GroupResource {
	return schema.GroupResource{Group: v1alpha1.GroupVersion.Group, Resource: "petsets"}
}

func (petSets) claimTemplates(set client.Object) []corev1.PersistentVolumeClaim {
	return set.(*v1alpha1.PetSet).Spec.VolumeClaimTemplates
}

func (petSets) toSet(set client.Object) (petset.Set, error) {
	return petset.FromPetSet(set.(*v1alpha1.PetSet))
}

func (petSets) size(set client.Object) (pets int, parallel bool) {
	s := set.(*v1alpha1.PetSet)
	return int(max(ptr.Deref(s.Spec.Replicas, 1), s.Status.Replicas)), s.Spec.PodManagementPolicy == apps.ParallelPodManagement
}

// podChanged: a PetSet tells what keeps its pets, and changes them in place.
func (petSets) podChanged(old, is *corev1.Pod) urgency {
	return max(podChanged(old, is), when(petset.AttentionTo(old) != petset.AttentionTo(is)))
}

// claimChanged: a PetSet's claims follow its templates.
func (petSets) claimChanged(old, is *corev1.PersistentVolumeClaim) urgency {
	return max(claimChanged(old, is), when(old.Status.Phase != is.Status.Phase ||
		!equality.Semantic.DeepEqual(old.Spec, is.Spec) ||
		!equality.Semantic.DeepEqual(old.Status.Conditions, is.Status.Conditions)))
}

func (k petSets) live(ctx context.Context, key types.NamespacedName) (metav1.Object, error) {
	set := &v1alpha1.PetSet{}
	return set, k.client.Get(ctx, key, set)
}

func (k petSets) writeStatus(ctx context.Context, object client.Object, plan petset.Plan) (metav1.Object, error) {
	set := object.(*v1alpha1.PetSet)
	status := petset.StatusOfPetSet(set, plan)
	if equality.Semantic.DeepEqual(status, set.Status) {
		return nil, nil
	}
	update := *set // what it points to is shared with the cache, and only read
	update.Status = status
	return &update, k.client.Status().Update(ctx, &update)
}

func (k petSets) writeInvalid(ctx context.Context, object client.Object, refusal error) error {
	set := object.(*v1alpha1.PetSet)
	update := *set // what it points to is shared with the cache, and only read
	update.Status = petset.InvalidStatus(set, refusal, time.Now())
	if equality.Semantic.DeepEqual(update.Status, set.Status) {
		return nil
	}
	return k.client.Status().Update(ctx, &update)
}

// nameTaken: the older of two sets of one name has its pods. A PetSet waits for
// a StatefulSet of the same moment, since that one cannot wait.
func (k petSets) nameTaken(set client.Object) string {
	obj, exists, err := k.statefulSets.GetStore().GetByKey(client.ObjectKeyFromObject(set).String())
	if err != nil || !exists {
		return ""
	}
	other := obj.(client.Object)
	made := set.GetCreationTimestamp()
	if otherMade := other.GetCreationTimestamp(); made.Before(&otherMade) {
		return ""
	}
	return "the StatefulSet " + set.GetName() + " has the same pods: delete it, or turn it into this one with `mainstay adopt`"
}

// neighbours: a PetSet goes to work when the StatefulSet of its name is gone.
func (petSets) neighbours(from cache.Cache) []source.Source {
	handle := handler.TypedFuncs[*apps.StatefulSet, reconcile.Request]{
		DeleteFunc: func(_ context.Context, e event.TypedDeleteEvent[*apps.StatefulSet], q queue) {
			q.Add(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(e.Object)})
		},
	}
	return []source.Source{source.Kind(from, &apps.StatefulSet{}, handle)}
}
