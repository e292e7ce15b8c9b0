package petset

import (
	"errors"
	"fmt"
)

// promised checks a plan against what the set's users are promised. It is
// written from the promises, not from the rules.
func promised(o Observation, plan Plan) error {
	view := newRound(o)
	last := Stage(0)
	scaledIn, updated := 0, 0
	done := map[string]bool{}
	for _, a := range plan.Actions {
		did := string(a.Verb) + " " + a.Object()
		if done[did] {
			return fmt.Errorf("%s: twice", did)
		}
		done[did] = true
		if a.Stage < last {
			return fmt.Errorf("stage %d comes after stage %d", a.Stage, last)
		}
		last = a.Stage
		var err error
		switch {
		case o.Set.Deleting:
			err = fmt.Errorf("a set under deletion acts")
		case a.Verb == CreatePod:
			err = view.mayStart(a)
		case a.Verb == DeletePod && a.Pod.DeletionTimestamp != nil:
			err = fmt.Errorf("it goes already")
		case a.Verb == DeletePod && a.Stage == StageScaleIn:
			scaledIn++
			err = errors.Join(view.mayScaleIn(a, scaledIn), view.claimIsMarked(a, plan))
		case a.Verb == DeletePod && a.Stage == StageUpdate:
			updated++
			err = view.mayUpdate(a, updated)
		case a.Verb == DeletePod && !(pet{pod: a.Pod}).finished():
			err = view.mayReplaceBroken(a)
		case a.Claim != nil:
			err = view.mayOwn(a)
		}
		if err != nil {
			return fmt.Errorf("%s %s: %w", a.Verb, a.Object(), err)
		}
	}
	return statusMakesSense(o, plan)
}

// Never two pods of one identity; in an ordered set none before those before
// it are available; none on a claim that is going.
func (r *round) mayStart(a Action) error {
	for _, pod := range r.Pods {
		if pod.Name == a.Pod.Name {
			return fmt.Errorf("there is a pod of that name")
		}
	}
	if !r.Set.Contains(a.Ordinal) || !r.Set.IsMember(a.Pod) {
		return fmt.Errorf("the set should not have it")
	}
	for _, p := range r.replicas {
		if !r.Set.Parallel && p.ordinal < a.Ordinal && p.unavailable(r.Set.MinReadySeconds, r.Now) {
			return fmt.Errorf("%s is not available", p.name)
		}
	}
	for _, volume := range a.Pod.Spec.Volumes {
		claim := r.Claims[volume.PersistentVolumeClaim.ClaimName]
		if claim == nil {
			continue
		}
		condemned := r.Set.Retention.DeleteWhenScaled && len(claim.OwnerReferences) > 0 && claim.OwnerReferences[0].Kind == "Pod"
		if claim.DeletionTimestamp != nil || condemned {
			return fmt.Errorf("claim %s is going", claim.Name)
		}
	}
	return nil
}

// What is to go with a pet is the pod's before the pod goes.
func (r *round) claimIsMarked(a Action, plan Plan) error {
	claim := r.Claims[r.Set.ClaimName("data", a.Ordinal)]
	for _, b := range plan.Actions {
		if b.Verb == UpdateClaim && b.Ordinal == a.Ordinal {
			claim = b.Claim
		}
	}
	if r.Set.Retention.DeleteWhenScaled && claim != nil && len(claim.OwnerReferences) == 0 {
		return fmt.Errorf("claim %s would be left behind", claim.Name)
	}
	return nil
}

// Only what the set should not have; in an ordered set one at a time, and
// nothing before what comes after it is gone.
func (r *round) mayScaleIn(a Action, count int) error {
	if r.Set.Contains(a.Ordinal) {
		return fmt.Errorf("the set should have it")
	}
	if r.Set.Parallel {
		return nil
	}
	if count > 1 {
		return fmt.Errorf("a second one goes")
	}
	for _, p := range r.condemned {
		if p.ordinal > a.Ordinal {
			return fmt.Errorf("%s should go first", p.name)
		}
	}
	for _, p := range r.replicas {
		if p.unavailable(r.Set.MinReadySeconds, r.Now) {
			return fmt.Errorf("%s is not available", p.name)
		}
	}
	return nil
}

// Only where the set says so, and a pod that is neither ready nor on the
// revision that it should be on.
func (r *round) mayReplaceBroken(a Action) error {
	p := pet{pod: a.Pod}
	wanted := r.Update.Name
	if partition := r.Set.Update.Partition; partition != nil && r.index(a) < *partition {
		wanted = r.Current.Name
	}
	switch {
	case !r.Set.ReplaceBroken:
		return fmt.Errorf("a pod that has not ended is deleted to keep it")
	case r.Set.Update.OnDelete:
		return fmt.Errorf("the set is updated on deletion only")
	case p.ready():
		return fmt.Errorf("it is ready")
	case p.revision() == wanted:
		return fmt.Errorf("it is on the revision that is wanted")
	}
	return nil
}

func (r *round) unavailableNow() int {
	count := 0
	for _, p := range r.replicas {
		if p.unavailable(r.Set.MinReadySeconds, r.Now) {
			count++
		}
	}
	return count
}

// index is the place of an action's pet among those that should exist.
func (r *round) index(a Action) int {
	index, _ := r.Set.Ordinals.Index(a.Ordinal)
	return index
}

// Only a pod of another revision, at or above the partition, and no more of
// them than may be unavailable.
func (r *round) mayUpdate(a Action, count int) error {
	p := pet{pod: a.Pod}
	limit, unavailable := 1, count
	if r.Set.Update.MaxUnavailable != nil {
		limit = *r.Set.Update.MaxUnavailable
		unavailable += r.unavailableNow()
	}
	switch {
	case r.Set.Update.OnDelete:
		return fmt.Errorf("the set is updated on deletion only")
	case p.revision() == r.Update.Name:
		return fmt.Errorf("it is on the update revision")
	case r.index(a) < *r.Set.Update.Partition:
		return fmt.Errorf("it is below the partition")
	case unavailable > limit:
		return fmt.Errorf("%d are unavailable, %d may be", unavailable, limit)
	}
	for _, other := range r.replicas {
		if !r.Set.Parallel && other.unavailable(r.Set.MinReadySeconds, r.Now) {
			return fmt.Errorf("%s is not available", other.name)
		}
	}
	return nil
}

// Garbage collection may get a claim only as the retention policy says: with
// its pod when it was scaled away, with the set when that goes.
func (r *round) mayOwn(a Action) error {
	for _, owner := range a.Claim.OwnerReferences {
		switch {
		case owner.Kind == "Pod" && (!r.Set.Retention.DeleteWhenScaled || r.Set.Contains(a.Ordinal)):
			return fmt.Errorf("its pod owns it")
		case owner.Kind == "StatefulSet" && !r.Set.Retention.DeleteWhenDeleted:
			return fmt.Errorf("its set owns it")
		}
	}
	return nil
}

// The API server refuses a status that does not.
func statusMakesSense(o Observation, plan Plan) error {
	s := plan.Status
	for _, n := range []int32{s.ReadyReplicas, s.CurrentReplicas, s.UpdatedReplicas} {
		if n < 0 || n > s.Replicas {
			return fmt.Errorf("the status counts %d of %d", n, s.Replicas)
		}
	}
	if s.AvailableReplicas < 0 || s.AvailableReplicas > s.ReadyReplicas {
		return fmt.Errorf("the status has %d available of %d ready", s.AvailableReplicas, s.ReadyReplicas)
	}
	complete := s.Replicas == int32(o.Set.Replicas) && s.ReadyReplicas == s.Replicas && s.UpdatedReplicas == s.Replicas
	if s.CurrentRevision != o.Current.Name && !complete {
		return fmt.Errorf("the update is called complete with %+v", s)
	}
	if int(s.Replicas) > len(o.Pods) {
		return fmt.Errorf("the status counts pods that are not there")
	}
	return nil
}
