package controller

import (
	"context"
	"errors"
	"sync"
	"time"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/kubernetes/pkg/controller/util/consistency"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var (
	podResource      = corev1.Resource("pods")
	claimResource    = corev1.Resource("persistentvolumeclaims")
	volumeResource   = corev1.Resource("persistentvolumes")
	revisionResource = apps.Resource("controllerrevisions")
)

// writes remembers the resource versions of what was written for each set,
// deletions included, and says when the caches have caught up. Until then a
// decision would rest on a world in which the last one was not carried out.
type writes struct {
	client kubernetes.Interface
	store  *consistency.RealConsistencyStore

	mu sync.Mutex
	// doubts are the writes of a set whose answer got lost.
	doubts map[types.NamespacedName][]doubt
}

// doubt is a write that may have taken place.
type doubt struct {
	set      client.Object
	resource schema.GroupResource
	name     string
}

func newWrites(kind kind, client kubernetes.Interface, c *caches) *writes {
	return &writes{client: client, doubts: map[types.NamespacedName][]doubt{}, store: consistency.NewConsistencyStore(map[schema.GroupResource]consistency.LastSyncRVGetter{
		kind.resource():  c.sets.GetStore(),
		podResource:      c.pods.GetStore(),
		claimResource:    c.claims.GetStore(),
		volumeResource:   c.volumes.GetStore(),
		revisionResource: c.revisions.GetStore(),
	})}
}

// wrote takes the object as the API server returned it.
func (w *writes) wrote(set client.Object, resource schema.GroupResource, obj metav1.Object) {
	if version := obj.GetResourceVersion(); version != "" {
		w.store.WroteAt(client.ObjectKeyFromObject(set), set.GetUID(), resource, version)
	}
}

// answered takes what came back of a write: the object, an error of the API
// server's, or one that leaves in doubt whether the write took place.
func (w *writes) answered(set client.Object, resource schema.GroupResource, name string, obj metav1.Object, err error) {
	switch status := apierrors.APIStatus(nil); {
	case err == nil:
		w.wrote(set, resource, obj)
	case errors.As(err, &status) && !apierrors.IsTimeout(err) && !apierrors.IsServerTimeout(err) && !apierrors.IsInternalError(err):
		// It did not.
	default:
		w.mu.Lock()
		defer w.mu.Unlock()
		key := client.ObjectKeyFromObject(set)
		w.doubts[key] = append(w.doubts[key], doubt{set, resource, name})
	}
}

// resolveDoubts asks the API server what became of writes whose answers got lost,
// so that the caches can be waited for. It reports whether it learned all.
func (w *writes) resolveDoubts(ctx context.Context, set types.NamespacedName) bool {
	w.mu.Lock()
	doubts := w.doubts[set]
	w.mu.Unlock()
	for _, d := range doubts {
		obj, err := w.look(ctx, d)
		if err != nil {
			return false
		}
		w.wrote(d.set, d.resource, obj)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.doubts, set)
	return true
}

// look returns the object of a write in doubt; where it is gone, or never was,
// the list that shows so, which is later than both.
func (w *writes) look(ctx context.Context, d doubt) (metav1.Object, error) {
	namespace, named := d.set.GetNamespace(), metav1.SingleObject(metav1.ObjectMeta{Name: d.name})
	switch d.resource {
	case volumeResource:
		list, err := w.client.CoreV1().PersistentVolumes().List(ctx, named)
		if err != nil || len(list.Items) == 0 {
			return &metav1.ObjectMeta{ResourceVersion: list.ResourceVersion}, err
		}
		return &list.Items[0], nil
	case claimResource:
		list, err := w.client.CoreV1().PersistentVolumeClaims(namespace).List(ctx, named)
		if err != nil || len(list.Items) == 0 {
			return &metav1.ObjectMeta{ResourceVersion: list.ResourceVersion}, err
		}
		return &list.Items[0], nil
	}
	list, err := w.client.CoreV1().Pods(namespace).List(ctx, named)
	if err != nil || len(list.Items) == 0 {
		return &metav1.ObjectMeta{ResourceVersion: list.ResourceVersion}, err
	}
	return &list.Items[0], nil
}

const (
	// lagPoll: an event takes about a millisecond or two from the write to the
	// cache. Waiting for it here is faster than a way through the queue.
	lagPoll = time.Millisecond
	// lagPatience is how long a worker waits before it turns to other sets.
	lagPatience = 100 * time.Millisecond
	// lagRetry is when it comes back.
	lagRetry = 100 * time.Millisecond
)

// seen waits a moment until the caches hold all that was written for the set.
func (w *writes) seen(ctx context.Context, set types.NamespacedName) bool {
	if !w.resolveDoubts(ctx, set) {
		return false
	}
	return wait.PollUntilContextTimeout(ctx, lagPoll, lagPatience, true, func(context.Context) (bool, error) {
		return w.store.EnsureReady(set) == nil, nil
	}) == nil
}

func (w *writes) forget(set types.NamespacedName) {
	w.store.Clear(set, "")
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.doubts, set)
}
