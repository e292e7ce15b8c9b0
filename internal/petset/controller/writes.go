package controller

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/kubernetes/pkg/controller/util/consistency"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var (
	podResource   = corev1.Resource("pods")
	claimResource = corev1.Resource("persistentvolumeclaims")
)

// writes remembers the resource versions of what was written for each set,
// deletions included, and says when the caches have caught up. Until then a
// decision would rest on a world in which the last one was not carried out.
type writes struct {
	store *consistency.RealConsistencyStore
}

func newWrites(kind kind, c *caches) *writes {
	return &writes{store: consistency.NewConsistencyStore(map[schema.GroupResource]consistency.LastSyncRVGetter{
		kind.resource(): c.sets.GetStore(),
		podResource:     c.pods.GetStore(),
		claimResource:   c.claims.GetStore(),
	})}
}

// wrote takes the object as the API server returned it.
func (w *writes) wrote(set client.Object, resource schema.GroupResource, obj metav1.Object) {
	if version := obj.GetResourceVersion(); version != "" {
		w.store.WroteAt(client.ObjectKeyFromObject(set), set.GetUID(), resource, version)
	}
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
	return wait.PollUntilContextTimeout(ctx, lagPoll, lagPatience, true, func(context.Context) (bool, error) {
		return w.store.EnsureReady(set) == nil, nil
	}) == nil
}

func (w *writes) forget(set types.NamespacedName) {
	w.store.Clear(set, "")
}
