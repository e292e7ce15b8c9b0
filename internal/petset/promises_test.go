package petset

import (
	"errors"
	"fmt"
	"slices"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// promised checks a plan against what the set's users are promised. It is
// written from the promises, not from the rules.
func promised(o Observation, plan Plan) error {
	view := newRound(o)
	updated, scaledIn := 0, 0
	for i, a := range plan.Actions {
		err := firstOf(
			func() error { return mayActAtAll(o) },
			func() error { return comesInOrder(plan.Actions[:i], a) },
			func() error { return view.isOurs(a) },
			func() error {
				switch a.Verb {
				case CreatePod:
					return view.mayStart(a, plan.Actions[:i])
				case DeletePod:
					return view.mayDelete(a, plan, &scaledIn, &updated)
				case UpdatePod:
					return view.mayChange(a, plan, &updated)
				case ResizePod, DrainPod:
					return view.mayGoOn(a)
				case UpdateVolume:
					return view.mayMark(a)
				case DeleteClaim:
					return view.mayGiveUp(a, plan.Actions[:i])
				}
				return errors.Join(view.mayOwn(a), view.mayResizeClaim(a))
			})
		if err != nil {
			return fmt.Errorf("%s %s: %w", a.Verb, a.Object(), err)
		}
	}
	return firstOf(func() error { return view.failsOver(plan) }, func() error { return view.sparesClaims(plan) }, func() error { return statusMakesSense(o, plan) })
}

func firstOf(checks ...func() error) error {
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func mayActAtAll(o Observation) error {
	switch {
	case o.Set.Deleting:
		return fmt.Errorf("a set under deletion acts")
	case o.NameTaken != "":
		return fmt.Errorf("another set has the name")
	}
	return nil
}

// Stages follow each other, and nothing is written twice from one view: the
// second write would be refused.
func comesInOrder(before []Action, a Action) error {
	for _, b := range before {
		writes := func(verb Verb) bool { return verb != DeletePod }
		switch {
		case b.Stage > a.Stage:
			return fmt.Errorf("stage %d comes after stage %d", a.Stage, b.Stage)
		case b.Object() == a.Object() && (b.Claim == nil) == (a.Claim == nil) && (b.Verb == a.Verb || writes(a.Verb) && writes(b.Verb)):
			return fmt.Errorf("it comes after %s of the same object in one plan", b.Verb)
		}
	}
	return nil
}

// Nothing is touched that is not the set's own.
func (r *round) isOurs(a Action) error {
	if a.Pod == nil || a.Verb == CreatePod {
		return nil
	}
	if was := r.seen(a.Pod); was == nil || was.UID != a.Pod.UID || was.ResourceVersion != a.Pod.ResourceVersion {
		return fmt.Errorf("that is not one of the set's pods as they were observed")
	}
	return nil
}

func (r *round) seen(pod *corev1.Pod) *corev1.Pod {
	i := slices.IndexFunc(r.Pods, func(p *corev1.Pod) bool { return p.Name == pod.Name })
	if i < 0 {
		return nil
	}
	return r.Pods[i]
}

// Never two pods of one identity; in an ordered set none before those before
// it are available, unless a fenced node has lost it, or its volume is lost; none on a claim that is going, or without its claims; the
// first not before what the set depends on.
func (r *round) mayStart(a Action, before []Action) error {
	switch {
	case r.seen(a.Pod) != nil:
		return fmt.Errorf("there is a pod of that name")
	case !r.Set.Contains(a.Ordinal) || !r.Set.IsMember(a.Pod):
		return fmt.Errorf("the set should not have it")
	case len(r.Pods) == 0 && len(r.Unready) > 0:
		return fmt.Errorf("the set depends on %v", r.Unready)
	case (a.Pod.Labels[v1alpha1.FailoverLabel] == v1alpha1.FailoverFenced) != r.Set.Failover.Fenced:
		return fmt.Errorf("it does not say what becomes of it when its node is lost")
	case a.Pod.Labels[apps.StatefulSetRevisionLabel] != r.wantedRevision(a).Name:
		return fmt.Errorf("it should start on revision %s", r.wantedRevision(a).Name)
	}
	for _, p := range r.replicas {
		if !r.Set.Parallel && r.FailedOver[a.Pod.Name] == "" && !r.lostClaims(a) && p.ordinal < a.Ordinal && p.unavailable(r.Set.MinReadySeconds, r.Now) {
			return fmt.Errorf("%s is not available", r.Set.PodName(p.ordinal))
		}
	}
	for i := range r.Set.ClaimTemplates {
		name := r.Set.ClaimName(r.Set.ClaimTemplates[i].Name, a.Ordinal)
		claim := r.Claims[name]
		isIt := func(b Action) bool { return b.Verb == CreateClaim && b.Claim.Name == name }
		switch {
		case !slices.Contains(claimsOf(a.Pod), name):
			return fmt.Errorf("it does not mount claim %s", name)
		case claim == nil && !slices.ContainsFunc(before, isIt):
			return fmt.Errorf("nobody made claim %s", name)
		case claim == nil:
		case claim.DeletionTimestamp != nil || ownedByPod(claim):
			return fmt.Errorf("claim %s is going", name)
		}
	}
	return nil
}

// A pet that a fenced node has lost starts at once, whatever the others do.
func (r *round) failsOver(plan Plan) error {
	for _, p := range r.replicas {
		name := r.Set.PodName(p.ordinal)
		starts := func(a Action) bool { return a.Verb == CreatePod && a.Ordinal == p.ordinal }
		holdsUp := func(t corev1.PersistentVolumeClaim) bool {
			claim := r.Claims[r.Set.ClaimName(t.Name, p.ordinal)]
			return claim != nil && (claim.DeletionTimestamp != nil || ownedByPod(claim) || r.mayReplaceClaim(claim) == nil)
		}
		if p.pod == nil && r.FailedOver[name] != "" && !slices.ContainsFunc(plan.Actions, starts) && mayActAtAll(r.Observation) == nil &&
			len(r.Unready) == 0 && !slices.ContainsFunc(r.Set.ClaimTemplates, holdsUp) {
			return fmt.Errorf("%s was taken from node %s, and does not start", name, r.FailedOver[name])
		}
	}
	return nil
}

func ownedByPod(claim *corev1.PersistentVolumeClaim) bool {
	return len(claim.OwnerReferences) > 0 && claim.OwnerReferences[0].Kind == "Pod"
}

// wantedRevision: below the partition the current one, else the update.
func (r *round) wantedRevision(a Action) Revision {
	if partition := r.Set.Update.Partition; partition != nil && r.index(a) < *partition {
		return r.Current
	}
	return r.Update
}

// index is the place of an action's pet among those that should exist.
func (r *round) index(a Action) int {
	index, _ := r.Set.Ordinals.Index(a.Ordinal)
	return index
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
