package petset

import (
	"fmt"
	"strings"
	"time"
)

// keep sees to it that every pet that should exist does, and is itself. It
// reports whether the plan may go on: an OrderedReady set does nothing else
// while one of its pets is not available, a Parallel set does not wait.
//
// So, without rule 4, an OrderedReady set whose update made a pet that never
// becomes ready stays as it is until somebody deletes that pod, even after the
// template was put right (kubernetes#67250). That is documented behaviour of
// StatefulSets, and people rely on it to look at what is broken.
func (r *round) keep() (goOn bool) {
	r.stage = StageKeep
	for _, p := range r.replicas {
		waitFor := r.keepPet(p)
		if waitFor == "" {
			continue
		}
		r.wait(p, waitFor)
		if !r.Set.Parallel {
			r.keepLater(r.replicas[p.index+1:])
			return false
		}
	}
	return true
}

// keepLater is for the pets of an ordered set that come after one that is not
// available. They wait for their turn, but for those that a fenced node has lost, and
// those whose lost claim was given up: order is for pets that start, and these had
// started. A majority of them may be what the one before them waits for.
func (r *round) keepLater(pets []pet) {
	for _, p := range pets {
		if p.pod != nil || !r.failedOver(p) && !r.halfReplaced(p) {
			r.keepClaims([]pet{p})
		} else if waitFor := r.keepPet(p); waitFor != "" {
			r.wait(p, waitFor)
		}
	}
}

// keepClaims sees to it that no claim of a wanted pet is left to garbage
// collection: it may be its pod's, from a time when the pet was to be scaled away.
// This never waits for its turn.
func (r *round) keepClaims(pets []pet) {
	for _, p := range pets {
		r.updateClaimOwners(p)
	}
}

// dependencyPoll is how often a set that waits for others asks for them.
const dependencyPoll = time.Second

// keepPet holds the rules for one pet that should exist: the first that
// applies decides. It returns what there is to wait for, or nothing when the
// pet is as it should be.
func (r *round) keepPet(p pet) (waitFor string) {
	r.keepClaims([]pet{p})
	switch {
	// 1. A pod that ended makes room for a new one. The name is free when it
	// is gone, not before.
	case p.finished && p.terminating:
		return fmt.Sprintf("its pod ended (%s) and is being removed", p.pod.Status.Phase)
	case p.finished:
		r.deletePod(p, fmt.Sprintf("the pod ended (%s); a new one takes its place", p.pod.Status.Phase))
		return fmt.Sprintf("its pod ended (%s) and is being removed", p.pod.Status.Phase)

	// 2. A pet without a pod gets one, but not on a claim that is on its way
	// out, or whose volume is lost, and the set's first pet not before what it
	// depends on is ready.
	case p.pod == nil && r.turn[p.ordinal]:
		return "it " + r.lossStory(p)
	case p.pod == nil && r.unusableClaim(p) != "":
		return r.waitForClaim(p)
	case p.pod == nil && len(r.Pods) == 0 && len(r.Unready) > 0:
		r.recheckIn(dependencyPoll)
		return "the set depends on " + strings.Join(r.Unready, ", and on ")
	case p.pod == nil:
		r.createPet(p)
		return "its pod is being created"

	// 3. A pod that goes keeps its claims; it is never helped along, since
	// nobody here can tell whether it still runs.
	case p.terminating:
		if r.Set.Parallel { // it may serve yet, under its name
			r.repair(p)
		}
		return "its pod is terminating"

	// 4. A pod that is not ready, on a revision that is no longer wanted, makes
	// room for a new one if the set says so: it may never become ready.
	case r.broken(p):
		return r.replace(p)

	// 5. A pod that began to leave what it belongs to, and is wanted again,
	// makes room for one that joins it. So does one that asks its node for more
	// than that can ever give.
	case p.drainStarted:
		r.deletePod(p, "it began to drain, and is wanted again")
		return "its pod is being replaced"
	case p.infeasible():
		r.deletePod(p, "its node cannot give the pod its new resources")
		return "its pod is being replaced"

	// 6. A change in place is carried through.
	case p.changing != nil && p.changing.lacksResources(p.pod):
		r.act(Action{Verb: ResizePod, Ordinal: p.ordinal, Pod: p.changing.withResources(p.pod), ElseDelete: true, Reason: "the template has other resources"})
		return "its pod gets other resources"
	case p.changed():
		r.act(Action{Verb: UpdatePod, Ordinal: p.ordinal, Pod: withoutNote(p.pod), Reason: "the change in place is done"})
		return r.notUp(p)

	// 7. A pod cannot start without its claims.
	case p.pending && r.lostClaim(p) != "":
		r.deletePod(p, "it waits for claim "+r.lostClaim(p)+", whose template was removed")
		return "its pod is being replaced"
	case p.pending:
		r.createMissingClaims(p, "the pod waits for its claim")
	}

	// 8. A pod that lost its identity or its claims gets them back; in an
	// ordered set when it is up.
	waitFor = r.notUp(p)
	if waitFor == "" || r.Set.Parallel {
		r.repair(p)
	}
	return waitFor
}

// notUp tells what the pet's pod lacks; nothing when it is available.
func (r *round) notUp(p pet) string {
	switch {
	case p.changing != nil:
		return "its pod is being changed in place"
	case !p.ready && r.lossStory(p) != "":
		return "it " + r.lossStory(p)
	case !p.ready:
		return "its pod is not ready"
	case !r.available(p):
		return fmt.Sprintf("its pod is ready for less than %d s", r.Set.MinReadySeconds)
	}
	return ""
}

// createPet plans the pet's claims first, then its pod.
func (r *round) createPet(p pet) {
	revision := r.revisionFor(p)
	why := "the set has no pod of ordinal " + fmt.Sprint(p.ordinal)
	if r.failedOver(p) {
		why = "node " + r.FailedOver[r.Set.PodName(p.ordinal)] + " is fenced, and its pod was taken from there"
	}
	r.createMissingClaims(p, why)
	r.act(Action{Verb: CreatePod, Ordinal: p.ordinal, Pod: r.Set.NewPod(p.ordinal, revision),
		Reason: why + "; revision " + revision.Name, Warning: r.claimConflict(p)})
}

func (r *round) repair(p pet) {
	identity, storage := p.identity, r.Set.storageMatches(p.pod, p.ordinal)
	if identity && storage {
		return
	}
	why := "the pod's identity labels were changed"
	if !storage {
		why = "the pod does not mount the pet's claims"
	}
	if !storage && !p.pending { // a pending pod has them from rule 7
		r.createMissingClaims(p, why)
	}
	r.act(Action{Verb: UpdatePod, Ordinal: p.ordinal, Pod: r.Set.repaired(p.pod, p.ordinal), Reason: why})
}

// revisionFor returns the revision that a new pod of the pet starts on.
func (r *round) revisionFor(p pet) Revision {
	update := r.Set.Update
	switch {
	case update.OnDelete:
		return r.Update
	case update.Partition == nil && p.index < int(r.Set.Status.CurrentReplicas):
		return r.Current
	case update.Partition != nil && p.index < *update.Partition:
		return r.Current
	}
	return r.Update
}
