package controller

import (
	"context"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/mainstay-io/mainstay/internal/petset"
)

// statefulSets are the sets of apps/v1.
type statefulSets struct{ client kubernetes.Interface }

// controllerName is upstream's, since users' tools filter by it.
func (statefulSets) controllerName() string { return "statefulset-controller" }

func (statefulSets) groupVersionKind() schema.GroupVersionKind { return petset.StatefulSetKind }
func (statefulSets) resource() schema.GroupResource            { return apps.Resource("statefulsets") }
func (statefulSets) empty() client.Object                      { return &apps.StatefulSet{} }

func (statefulSets) claimTemplates(set client.Object) []corev1.PersistentVolumeClaim {
	return set.(*apps.StatefulSet).Spec.VolumeClaimTemplates
}

func (statefulSets) toSet(set client.Object) (petset.Set, error) {
	return petset.FromStatefulSet(set.(*apps.StatefulSet))
}

func (statefulSets) size(set client.Object) (pets int, parallel bool) {
	s := set.(*apps.StatefulSet)
	return int(max(ptr.Deref(s.Spec.Replicas, 1), s.Status.Replicas)), s.Spec.PodManagementPolicy == apps.ParallelPodManagement
}

func (statefulSets) podChanged(old, is *corev1.Pod) urgency { return podChanged(old, is) }

func (statefulSets) claimChanged(old, is *corev1.PersistentVolumeClaim) urgency {
	return claimChanged(old, is)
}

func (k statefulSets) live(ctx context.Context, key types.NamespacedName) (metav1.Object, error) {
	return k.client.AppsV1().StatefulSets(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
}

func (k statefulSets) writeStatus(ctx context.Context, object client.Object, plan petset.Plan) (metav1.Object, error) {
	set := object.(*apps.StatefulSet)
	if !petset.StatusChanged(set.Status, plan.Status) {
		return nil, nil
	}
	update := *set // what it points to is shared with the cache, and only read
	update.Status = plan.Status
	return k.client.AppsV1().StatefulSets(set.Namespace).UpdateStatus(ctx, &update, metav1.UpdateOptions{})
}

// A StatefulSet's status has no place for it; the event has to do.
func (statefulSets) writeInvalid(context.Context, client.Object, error) error { return nil }

func (statefulSets) unready(context.Context, client.Object) ([]string, error) { return nil, nil }
func (statefulSets) nameTaken(client.Object) string                           { return "" }
func (statefulSets) neighbours(cache.Cache) []source.Source                   { return nil }
