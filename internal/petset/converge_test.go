package petset

import (
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// converge lets the world work without faults until the set is as asked. The
// controller looks only when it is woken, as the real one does: it must have
// asked for each look that no event brings.
func (w *world) converge() error {
	w.say("the faults end")
	w.faultsEnd()
	for range 2000 {
		w.now = w.now.Add(time.Second)
		before := w.length()
		w.everybodyWorks()
		woken := w.controller.woken(w)
		if woken {
			if err := w.controllerActs(false); err != nil {
				return err
			}
		}
		if w.length() > before || woken && !w.controller.failed || len(w.controller.drains) > 0 {
			continue
		}
		if w.sets.truth().DeletionTimestamp != nil {
			return nil // and nothing was done about it
		}
		err := w.settled()
		switch due := w.controller.recheckAt; {
		case err == nil:
			return nil
		case !due.IsZero():
			w.now = due
		case !w.humanHelps():
			return err
		}
	}
	return errors.New("the set does not come to rest")
}

func (w *world) faultsEnd() {
	lost := w.losesNode()
	for _, name := range w.nodeNames() {
		if name != lost {
			w.nodeReturns(name)
		}
	}
	w.nameTaken = false
	w.userMends()
}

// losesNode lets one node never come back, if the set gets on without it.
func (w *world) losesNode() (name string) {
	set, err := w.convert(w.sets.truth())
	if err != nil || !w.local || !set.VolumeLoss.Recreate || w.chance(3) {
		return ""
	}
	name = oneOf(w, "small", "large") // the largest has room for all
	w.say("node %s is lost for good", name)
	n := w.nodes[name]
	n.down, n.fenced = true, w.chance(2)
	n.gone = !n.fenced
	w.switchOff(name)
	return name
}

func (w *world) everybodyWorks() {
	for _, name := range w.names() {
		w.kubeletActs(name, false)
	}
	w.storageActs(false)
	w.garbageCollectorActs()
	w.drainsAct(w.chance(3))
	w.dependencyReady = w.dependencyReady || w.chance(20)
}

// humanHelps does what a set waits for by its documentation, and only that:
// scaling in halts for pods that are not healthy, a pod that cannot have its
// volumes stays, as does one whose volumes are on two nodes, and what an update does not reach is not restarted. It reports
// whether there was anything.
func (w *world) humanHelps() (helped bool) {
	set, err := w.convert(w.sets.truth())
	if err != nil {
		return false
	}
	for _, name := range w.names() {
		pod := w.pods.truth()[name]
		_, ordinal, _ := SplitOrdinal(name)
		index, _ := set.Ordinals.Index(ordinal)
		stays := !set.storageMatches(pod, ordinal)
		halts := !set.Contains(ordinal) && pod.Status.Phase == corev1.PodPending && !w.claimsUsable(pod)
		restarts := (set.Update.OnDelete || index < *set.Update.Partition) && slices.ContainsFunc(claimsOf(pod), w.resizes)
		if w.torn(pod) {
			w.deleteClaim(claimsOf(pod)[0])
		}
		if stays || halts || restarts || w.torn(pod) {
			w.say("a human looks")
			w.deletePod(name)
			helped = true
		}
	}
	return helped
}
