package petset

import (
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// witness checks the promises that no single view can show broken: it knows what
// is true in the world, and remembers what was done. What it found first stays.
type witness struct {
	found error
	// disrupted are the pets that an update made unavailable, and to which revision
	// it brings them.
	disrupted map[string]string
	// left are the pods that have drained, whoever knows of it.
	left map[types.UID]bool
	// adopted are the pods that became the set's by others' doing.
	adopted map[types.UID]bool
	// spared are the claims that a decision wanted kept, and that was carried out.
	spared map[types.UID]bool
	// bereft are the pets whose claims were given up, until they are available.
	bereft map[string]bool
	// kept are the volumes of such claims.
	kept map[string]bool
}

func (t *witness) start() {
	*t = witness{disrupted: map[string]string{}, left: map[types.UID]bool{}, adopted: map[types.UID]bool{}, spared: map[types.UID]bool{}, bereft: map[string]bool{}, kept: map[string]bool{}}
}

func (t *witness) accuse(format string, args ...any) {
	if t.found == nil {
		t.found = fmt.Errorf(format, args...)
	}
}

// starts: at most one process holds a name.
func (t *witness) starts(w *world, pod *corev1.Pod) {
	if holder := w.processes[pod.Name]; holder != "" && holder != pod.UID {
		t.accuse("%s starts as %s while %s runs", pod.Name, pod.UID, holder)
	}
}

// acted is told of each write of the controller that has changed something.
func (t *witness) acted(w *world, o Observation, a Action) {
	seen := newRound(o).seen
	switch {
	case a.Verb == DeleteClaim:
		t.gaveUp(w, o, a)
	case a.Claim != nil && ownedByPod(a.Claim):
		delete(t.spared, w.claims.truth()[a.Claim.Name].UID)
	case a.Verb == DeletePod && a.Stage == StageScaleIn:
		t.scaledIn(w, o, a)
	case a.Stage == StageUpdate && a.Verb == DeletePod,
		a.Stage == StageUpdate && a.Verb == UpdatePod && changesInPlace(seen(a.Pod), a.Pod):
		t.updated(w, o, a)
	}
}

// changes is told before a pod changes: if it served, and does not any more, that
// is not the update's doing.
func (t *witness) changes(w *world, name string, now *corev1.Pod) {
	if t.disrupted[name] != "" && serves(w.pods.truth()[name]) && !serves(now) {
		delete(t.disrupted, name)
	}
	if t.bereft[name] && serves(w.pods.truth()[name]) && !serves(now) {
		delete(t.bereft, name)
	}
}

// looks is told of each decision. A pet that the set has no more is no concern of
// an update, even if it is wanted again later.
func (t *witness) looks(o Observation) {
	for name := range t.disrupted {
		if _, ordinal, _ := SplitOrdinal(name); !o.Set.Contains(ordinal) {
			delete(t.disrupted, name)
		}
	}
	for name := range t.bereft {
		if _, ordinal, _ := SplitOrdinal(name); !o.Set.Contains(ordinal) || len(o.Set.ClaimTemplates) == 0 {
			delete(t.bereft, name)
		}
	}
}

// gaveUp: nothing of the pet runs, the volume is kept, and no more pets than may be
// away are without what they had.
func (t *witness) gaveUp(w *world, o Observation, a Action) {
	volume, name := w.volumes.truth()[a.Claim.Spec.VolumeName], o.Set.PodName(a.Ordinal)
	if volume == nil || volume.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimRetain {
		t.accuse("claim %s is given up, and with it its volume", a.Claim.Name)
		return
	}
	if w.processes[name] != "" {
		t.accuse("claim %s is given up while %s runs", a.Claim.Name, name)
	}
	t.kept[volume.Name], t.bereft[name] = true, true
	limit := 1
	if o.Set.Update.MaxUnavailable != nil {
		limit = *o.Set.Update.MaxUnavailable
	}
	for other := range t.bereft {
		if w.isUp(other, o.Set.MinReadySeconds) {
			delete(t.bereft, other)
		}
	}
	if len(t.bereft) > limit {
		t.accuse("claim %s is given up, and now %d pets have lost what they had: %v", a.Claim.Name, len(t.bereft), slices.Sorted(maps.Keys(t.bereft)))
	}
}

// destroyed is told of volumes that go.
func (t *witness) destroyed(volume *corev1.PersistentVolume) {
	if t.kept[volume.Name] {
		t.accuse("the volume %s of a claim that was given up is destroyed", volume.Name)
	}
}

// updated: never more of the set's pets are away because of an update than may
// be. A StatefulSet that does not say how many looks at the higher ordinals only,
// and replaces a pet that waits for a later revision although others do.
func (t *witness) updated(w *world, o Observation, a Action) {
	away := []string{}
	for name, to := range t.disrupted {
		if w.isUp(name, o.Set.MinReadySeconds) {
			delete(t.disrupted, name)
		}
		_, ordinal, _ := SplitOrdinal(name)
		_, still := t.disrupted[name]
		counts := o.Set.Update.MaxUnavailable != nil || to == o.Update.Name && ordinal > a.Ordinal
		if still && counts && ordinal != a.Ordinal {
			away = append(away, name)
		}
	}
	limit := 1
	if o.Set.Update.MaxUnavailable != nil {
		limit = *o.Set.Update.MaxUnavailable
	}
	if len(away)+1 > limit {
		slices.Sort(away)
		t.accuse("the update takes %s away while it has not brought back %v, and %d may be away", a.Pod.Name, away, limit)
	}
	t.disrupted[a.Pod.Name] = o.Update.Name
}

// serves: the pod truly is ready, as what it should be.
func serves(pod *corev1.Pod) bool {
	return pod != nil && pod.DeletionTimestamp == nil && podutil.IsPodReady(pod) && physically(pod) == ""
}

// isUp: the pet serves, and has for so many seconds.
func (w *world) isUp(name string, minReadySeconds int32) bool {
	pod := w.pods.truth()[name]
	return serves(pod) && !w.now.Before(podutil.GetPodReadyCondition(pod.Status).LastTransitionTime.Add(time.Duration(minReadySeconds)*time.Second))
}

// scaledIn: nothing is there that should have gone first, and the pet has left.
func (t *witness) scaledIn(w *world, o Observation, a Action) {
	for _, name := range w.names() {
		_, ordinal, _ := SplitOrdinal(name)
		if pod := w.pods.truth()[name]; !o.Set.Parallel && w.ours(pod) && !t.adopted[pod.UID] && o.Set.IsMember(pod) && ordinal > a.Ordinal && !o.Set.Contains(ordinal) {
			t.accuse("%s is scaled away before %s is gone", a.Pod.Name, name)
		}
	}
	drain := o.Set.Drain
	if drain != nil && drain.OnTimeout == v1alpha1.DrainHold && a.Pod.Status.Phase == corev1.PodRunning && !t.left[a.Pod.UID] {
		t.accuse("%s is scaled away before it has drained", a.Pod.Name)
	}
}

// undisturbed is told of each decision that was carried out in full: from then
// on the claims of pets that should exist are safe, but for those that a former
// pod takes with it.
func (t *witness) undisturbed(o Observation, plan Plan) {
	if o.Set.Deleting || o.NameTaken != "" {
		return
	}
	view := newRound(o)
	for _, p := range view.replicas {
		for i := range o.Set.ClaimTemplates {
			claim := view.claimAfter(o.Set.ClaimName(o.Set.ClaimTemplates[i].Name, p.ordinal), plan)
			if claim != nil && p.pod != nil && !o.Set.ownedByAnotherPod(claim.OwnerReferences, p) {
				t.spared[claim.UID] = true
			}
		}
	}
}

// collected is told of what the garbage collector takes.
func (t *witness) collected(claim *corev1.PersistentVolumeClaim) {
	if t.spared[claim.UID] {
		t.accuse("%s is collected, although its pet was wanted when the controller last looked", showClaim(claim))
	}
}
