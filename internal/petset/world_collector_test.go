package petset

import (
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// garbageCollectorActs takes the claims whose owners are all gone, and those
// that were deleted and nobody uses.
func (w *world) garbageCollectorActs() {
	for _, name := range slices.Sorted(maps.Keys(w.claims.truth())) {
		claim := w.claims.truth()[name]
		switch {
		case claim.DeletionTimestamp != nil && !w.inUse(name):
			w.removeClaim(name)
		case claim.DeletionTimestamp == nil && len(claim.OwnerReferences) > 0 && !slices.ContainsFunc(claim.OwnerReferences, w.lives):
			w.say("claim %s is collected", name)
			w.witness.collected(claim)
			now := claim.DeepCopy()
			now.DeletionTimestamp = &metav1.Time{Time: w.now}
			w.putClaim(now)
		}
	}
}

// lives: the owner is there.
func (w *world) lives(ref metav1.OwnerReference) bool {
	pod := w.pods.truth()[ref.Name]
	return ref.UID == w.sets.truth().UID || ref.Kind == "Pod" && pod != nil && pod.UID == ref.UID
}
