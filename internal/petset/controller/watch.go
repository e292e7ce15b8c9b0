package controller

import (
	"context"
	"time"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
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
	delay := func(set types.NamespacedName, how urgency) time.Duration { return caches.delay(kind, set, how) }
	// What a user asks of a set itself never waits.
	askedDelay := func(set types.NamespacedName, how urgency) time.Duration {
		if how == now {
			return 0
		}
		return delay(set, how)
	}
	sources := []source.Source{
		source.Kind(from, kind.empty(), handlerFor(now, setChanged, askedDelay, func(set client.Object) []types.NamespacedName {
			return []types.NamespacedName{client.ObjectKeyFromObject(set)}
		})),
		// What comes was mostly made by the set itself.
		source.Kind(from, &corev1.Pod{}, handlerFor(soon, kind.podChanged, delay, func(pod *corev1.Pod) []types.NamespacedName { return podSets(owners, pod) })),
		source.Kind(from, &corev1.PersistentVolumeClaim{}, handlerFor(soon, kind.claimChanged, delay, caches.claimSets)),
		source.Kind(from, &corev1.Node{}, handlerFor(soon, nodeChanged, delay, func(*corev1.Node) []types.NamespacedName { return caches.allSets() })),
		source.Kind(from, &corev1.PersistentVolume{}, handlerFor(never, volumeChanged, delay, caches.volumeSets)),
		source.Kind(from, &apps.ControllerRevision{}, handlerFor(soon, revisionChanged, delay, func(revision *apps.ControllerRevision) []types.NamespacedName { return owners(revision) })),
	}
	sources = append(sources, kind.neighbours(from)...)
	for _, s := range sources {
		if err := c.Watch(s); err != nil {
			return err
		}
	}
	return nil
}

// delay returns how long an event of the set's waits.
func (c *caches) delay(kind kind, key types.NamespacedName, how urgency) time.Duration {
	set := c.set(key)
	if set == nil {
		return how.delay(0, false)
	}
	return how.delay(kind.size(set))
}

// handlerFor wakes the sets of an object when it comes, goes, or has changed.
// A change wakes the sets of its former state too: it may have left one.
func handlerFor[T client.Object](comes urgency, changed func(old, is T) urgency, delay func(types.NamespacedName, urgency) time.Duration,
	setsOf func(T) []types.NamespacedName) handler.TypedFuncs[T, reconcile.Request] {
	wake := func(q queue, how urgency, obj T) {
		if how == never {
			return
		}
		for _, set := range setsOf(obj) {
			q.AddAfter(reconcile.Request{NamespacedName: set}, delay(set, how))
		}
	}
	return handler.TypedFuncs[T, reconcile.Request]{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[T], q queue) { wake(q, comes, e.Object) },
		DeleteFunc: func(_ context.Context, e event.TypedDeleteEvent[T], q queue) { wake(q, now, e.Object) },
		UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[T], q queue) {
			if how := changed(e.ObjectOld, e.ObjectNew); how != never {
				wake(q, how, e.ObjectOld)
				wake(q, how, e.ObjectNew)
			}
		},
	}
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

// allSets: which of them a node concerns would be more to find out than to look.
func (c *caches) allSets() []types.NamespacedName {
	var sets []types.NamespacedName
	for _, obj := range c.sets.GetStore().List() {
		sets = append(sets, client.ObjectKeyFromObject(obj.(client.Object)))
	}
	return sets
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

// volumeSets finds the sets of the claim that the volume is bound to, or was.
func (c *caches) volumeSets(volume *corev1.PersistentVolume) []types.NamespacedName {
	if volume.Spec.ClaimRef == nil {
		return nil
	}
	return c.claimSets(&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: volume.Spec.ClaimRef.Namespace, Name: volume.Spec.ClaimRef.Name}})
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
