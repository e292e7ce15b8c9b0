package petset

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// What the API server and the storage do with claims.

func (w *world) putClaim(claim *corev1.PersistentVolumeClaim) {
	claims := maps.Clone(w.claims.truth())
	claim.ResourceVersion = w.unique()
	claims[claim.Name] = claim
	w.claims.push(claims)
}

func (w *world) removeClaim(name string) {
	claims := maps.Clone(w.claims.truth())
	w.reclaim(claims[name])
	delete(claims, name)
	w.claims.push(claims)
}

func (w *world) createClaim(claim *corev1.PersistentVolumeClaim) error {
	if w.claims.truth()[claim.Name] != nil {
		return errExists
	}
	created := claim.DeepCopy()
	created.UID = types.UID(w.unique())
	w.putClaim(created)
	return nil
}

// updateClaim allows owners, a larger request, and another attributes class.
func (w *world) updateClaim(claim *corev1.PersistentVolumeClaim) error {
	was := w.claims.truth()[claim.Name]
	if was == nil || was.UID != claim.UID || was.ResourceVersion != claim.ResourceVersion {
		return errConflict
	}
	now := claim.DeepCopy()
	if !equality.Semantic.DeepEqual(was.Spec, now.Spec) {
		now.Spec.VolumeAttributesClassName = was.Spec.VolumeAttributesClassName
		if was.Status.Phase != corev1.ClaimBound || requested(claim) < requested(was) {
			return errInvalid
		}
		now.Spec.Resources = was.Spec.Resources
		if !equality.Semantic.DeepEqual(was.Spec, now.Spec) {
			return errInvalid
		}
	}
	w.putClaim(claim.DeepCopy())
	return nil
}

func requested(claim *corev1.PersistentVolumeClaim) int64 {
	return claim.Spec.Resources.Requests.Storage().Value()
}

// claimsUsable: no pod is scheduled while one of its claims is missing or going.
func (w *world) claimsUsable(pod *corev1.Pod) bool {
	return !slices.ContainsFunc(claimsOf(pod), func(name string) bool {
		claim := w.claims.truth()[name]
		return claim == nil || claim.DeletionTimestamp != nil
	})
}

func claimsOf(pod *corev1.Pod) (names []string) {
	for i := range pod.Spec.Volumes {
		if source := pod.Spec.Volumes[i].PersistentVolumeClaim; source != nil {
			names = append(names, source.ClaimName)
		}
	}
	return names
}

// deleteClaimExactly is the controller's: whoever uses it holds it up.
func (w *world) deleteClaimExactly(claim *corev1.PersistentVolumeClaim) {
	was := w.claims.truth()[claim.Name]
	if was == nil || was.UID != claim.UID || was.DeletionTimestamp != nil {
		return
	}
	now := was.DeepCopy()
	now.DeletionTimestamp = &metav1.Time{Time: w.now}
	w.putClaim(now)
}

// deleteClaim begins to delete a claim; it stays while a pod uses it.
func (w *world) deleteClaim(name string) {
	w.say("user: claim %s is deleted", name)
	claim := w.claims.truth()[name].DeepCopy()
	claim.DeletionTimestamp = &metav1.Time{Time: w.now}
	w.putClaim(claim)
}

func (w *world) goes(claim string) bool {
	there := w.claims.truth()[claim]
	return there != nil && there.DeletionTimestamp != nil
}

// resizes: the claim's file system waits to be made larger.
func (w *world) resizes(claim string) bool {
	there := w.claims.truth()[claim]
	return there != nil && len(there.Status.Conditions) > 0
}

// inUse: a pod that has a node mounts the claim.
func (w *world) inUse(claim string) bool {
	for _, pod := range w.pods.truth() {
		if pod.Spec.NodeName != "" && slices.Contains(claimsOf(pod), claim) {
			return true
		}
	}
	return false
}

// storageActs binds claims and makes their volumes larger: the last bit, the
// file system, is the kubelet's.
func (w *world) storageActs(faults bool) {
	for _, name := range slices.Sorted(maps.Keys(w.claims.truth())) {
		claim := w.claims.truth()[name]
		capacity := claim.Status.Capacity.Storage().Value()
		switch {
		case faults && w.chance(2): // it takes its time
		case claim.Status.Phase != corev1.ClaimBound && w.local: // when a pod comes
		case claim.Status.Phase != corev1.ClaimBound:
			claim = claim.DeepCopy()
			claim.Status.Phase, claim.Status.Capacity = corev1.ClaimBound, maps.Clone(claim.Spec.Resources.Requests)
			w.putClaim(claim)
		case requested(claim) > capacity && len(claim.Status.Conditions) == 0:
			claim = claim.DeepCopy()
			claim.Status.Conditions = []corev1.PersistentVolumeClaimCondition{{Type: corev1.PersistentVolumeClaimFileSystemResizePending,
				Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(w.now)}}
			w.putClaim(claim)
		}
	}
}

// growUnder makes the file systems of a pod larger: when it starts, or under it.
func (w *world) growUnder(pod *corev1.Pod, starts bool) (some bool) {
	for _, name := range claimsOf(pod) {
		claim := w.claims.truth()[name]
		if claim == nil || len(claim.Status.Conditions) == 0 || !starts && !w.growsOnline {
			continue
		}
		now := claim.DeepCopy()
		now.Status.Conditions, now.Status.Capacity = nil, maps.Clone(now.Spec.Resources.Requests)
		w.putClaim(now)
		some = true
	}
	return some
}

// showClaim tells of a claim what matters.
func showClaim(claim *corev1.PersistentVolumeClaim) string {
	owners := make([]string, 0, len(claim.OwnerReferences))
	for _, ref := range claim.OwnerReferences {
		owners = append(owners, ref.Kind+" "+ref.Name)
	}
	return fmt.Sprintf("%s of %d bytes, has %s, %v, owned by [%s]", claim.Name, requested(claim), claim.Status.Capacity.Storage(), claim.Status.Conditions, strings.Join(owners, ", "))
}
