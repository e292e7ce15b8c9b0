package controller

import (
	"context"
	"reflect"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/mainstay-io/mainstay/internal/petset"
)

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// watchAll makes every event that can change a plan wake the set that it
// concerns, and no other.
func watchAll(kind kind, c controller.Controller, from cache.Cache, caches *caches) error {
	owners := ownerSets(kind)
	sources := []source.Source{
		source.Kind(from, kind.empty(), &handler.TypedEnqueueRequestForObject[client.Object]{}),
		source.Kind(from, &corev1.Pod{}, handlerFor(podChanged, func(pod *corev1.Pod) []types.NamespacedName { return podSets(owners, pod) })),
		source.Kind(from, &corev1.PersistentVolumeClaim{}, handlerFor(claimChanged, caches.claimSets)),
		source.Kind(from, &apps.ControllerRevision{}, handlerFor(revisionChanged, func(revision *apps.ControllerRevision) []types.NamespacedName { return owners(revision) })),
	}
	sources = append(sources, kind.neighbours(from)...)
	for _, s := range sources {
		if err := c.Watch(s); err != nil {
			return err
		}
	}
	return nil
}

// handlerFor wakes the sets of an object when it comes, goes, or has changed.
// A change wakes the sets of its former state too: it may have left one.
func handlerFor[T client.Object](changed func(old, now T) bool, setsOf func(T) []types.NamespacedName) handler.TypedFuncs[T, reconcile.Request] {
	wake := func(q queue, obj T) {
		for _, set := range setsOf(obj) {
			q.Add(reconcile.Request{NamespacedName: set})
		}
	}
	return handler.TypedFuncs[T, reconcile.Request]{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[T], q queue) { wake(q, e.Object) },
		DeleteFunc: func(_ context.Context, e event.TypedDeleteEvent[T], q queue) { wake(q, e.Object) },
		UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[T], q queue) {
			if changed(e.ObjectOld, e.ObjectNew) {
				wake(q, e.ObjectOld)
				wake(q, e.ObjectNew)
			}
		},
	}
}

// podChanged reports whether a change of a pod can matter to a plan. Most do
// not: kubelet writes a pod's status several times on its way up.
func podChanged(old, now *corev1.Pod) bool {
	return old.UID != now.UID ||
		old.Status.Phase != now.Status.Phase ||
		(old.DeletionTimestamp == nil) != (now.DeletionTimestamp == nil) ||
		!reflect.DeepEqual(readyCondition(old), readyCondition(now)) ||
		petset.AttentionTo(old) != petset.AttentionTo(now) ||
		!reflect.DeepEqual(old.Labels, now.Labels) ||
		!reflect.DeepEqual(old.OwnerReferences, now.OwnerReferences)
}

func readyCondition(pod *corev1.Pod) (ready struct {
	status corev1.ConditionStatus
	since  metav1.Time
}) {
	if c := podutil.GetPodReadyCondition(pod.Status); c != nil {
		ready.status, ready.since = c.Status, c.LastTransitionTime
	}
	return ready
}

// podSets returns the set that controls the pod; for an orphan the one set
// that may adopt it, by its name.
func podSets(owners func(client.Object) []types.NamespacedName, pod *corev1.Pod) []types.NamespacedName {
	if metav1.GetControllerOfNoCopy(pod) != nil {
		return owners(pod)
	}
	if parent, _, ok := petset.SplitOrdinal(pod.Name); ok {
		return []types.NamespacedName{{Namespace: pod.Namespace, Name: parent}}
	}
	return nil
}

// claimChanged reports whether a pod can be held up, or let go, by the change.
func claimChanged(old, now *corev1.PersistentVolumeClaim) bool {
	return old.UID != now.UID ||
		(old.DeletionTimestamp == nil) != (now.DeletionTimestamp == nil) ||
		old.Status.Phase != now.Status.Phase ||
		!reflect.DeepEqual(old.Spec, now.Spec) ||
		!reflect.DeepEqual(old.Status.Conditions, now.Status.Conditions) ||
		!reflect.DeepEqual(old.OwnerReferences, now.OwnerReferences)
}

// claimSets finds the sets of a claim by its name: what a user keeps has no
// owner.
func (c *caches) claimSets(claim *corev1.PersistentVolumeClaim) []types.NamespacedName {
	prefix, _, ok := petset.SplitOrdinal(claim.Name)
	if !ok {
		return nil
	}
	found, err := c.sets.GetIndexer().ByIndex(setsByClaim, claim.Namespace+"/"+prefix)
	if err != nil {
		return nil
	}
	sets := make([]types.NamespacedName, 0, len(found))
	for _, obj := range found {
		sets = append(sets, client.ObjectKeyFromObject(obj.(client.Object)))
	}
	return sets
}

// revisionChanged: their data cannot change; that they come or go is enough.
func revisionChanged(old, now *apps.ControllerRevision) bool {
	return !reflect.DeepEqual(old.OwnerReferences, now.OwnerReferences)
}

// ownerSets finds the set of a kind that controls an object.
func ownerSets(kind kind) func(client.Object) []types.NamespacedName {
	apiVersion, name := kind.groupVersionKind().ToAPIVersionAndKind()
	return func(obj client.Object) []types.NamespacedName {
		owner := metav1.GetControllerOfNoCopy(obj)
		if owner == nil || owner.Kind != name || owner.APIVersion != apiVersion {
			return nil
		}
		return []types.NamespacedName{{Namespace: obj.GetNamespace(), Name: owner.Name}}
	}
}
