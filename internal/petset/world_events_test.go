package petset

import (
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// look remembers what a decision rests on.
func (c *controllerProcess) look(w *world, now time.Time, recheckAfter time.Duration) {
	c.looked, c.pods = []any{w.sets.view(), w.claims.seen, w.revisions.seen, w.volumes.seen, w.nodeStates(), w.nameTaken}, w.pods.view()
	c.recheckAt = time.Time{}
	if recheckAfter > 0 {
		c.recheckAt = now.Add(recheckAfter)
	}
}

// woken: an event came that the controller looks at, a write failed, or it is
// time. A running drain is no event, nor is it that a dependency became ready.
func (c *controllerProcess) woken(w *world) bool {
	now := []any{w.sets.truth(), len(w.claims.states) - 1, len(w.revisions.states) - 1, len(w.volumes.states) - 1, w.nodeStates(), w.nameTaken}
	if c.failed || !slices.Equal(c.looked, now) || !c.recheckAt.IsZero() && !w.now.Before(c.recheckAt) {
		return true
	}
	pods := w.pods.truth()
	if len(pods) != len(c.pods) {
		return true
	}
	for name, pod := range pods {
		if before := c.pods[name]; before == nil || w.podEvent(before, pod) {
			return true
		}
	}
	return false
}

// podEvent: the controller's watch lets the change of a pod through. What is the
// matter inside of it concerns PetSets alone.
func (w *world) podEvent(old, now *corev1.Pod) bool {
	return old != now && (old.UID != now.UID || old.Status.Phase != now.Status.Phase || (old.DeletionTimestamp == nil) != (now.DeletionTimestamp == nil) ||
		petOf(old).ready != petOf(now).ready || !w.stateful && AttentionTo(old) != AttentionTo(now) || !maps.Equal(old.Labels, now.Labels))
}

// nodeStates tells which nodes are lost.
func (w *world) nodeStates() (lost string) {
	for _, name := range w.nodeNames() {
		lost += fmt.Sprint(name, w.nodes[name].fenced, w.nodes[name].gone)
	}
	return lost
}
