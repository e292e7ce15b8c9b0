package petset

import (
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// The promises about pods that are deleted.

// A running pet is not scaled away before it has drained, or is late and the set
// says that it goes all the same.
func (r *round) hasDrained(a Action) error {
	if r.Set.Drain == nil || a.Pod.Status.Phase != corev1.PodRunning || a.Pod.Annotations[v1alpha1.DrainedAnnotation] != "" {
		return nil
	}
	since, err := time.Parse(time.RFC3339, a.Pod.Annotations[v1alpha1.DrainStartedAnnotation])
	if err != nil {
		return fmt.Errorf("it has not begun to drain")
	}
	if r.Set.Drain.OnTimeout != v1alpha1.DrainProceed || r.Now.Sub(since) < time.Duration(r.Set.Drain.TimeoutSeconds)*time.Second {
		return fmt.Errorf("it has not drained")
	}
	return nil
}

func (r *round) mayDelete(a Action, plan Plan, scaledIn, updated *int) error {
	if err := r.formerClaimsAreMarked(a, plan); err != nil {
		return err
	}
	switch {
	case a.Pod.DeletionTimestamp != nil:
		return fmt.Errorf("it goes already")
	case a.Stage == StageScaleIn:
		*scaledIn++
		return errors.Join(r.mayScaleIn(a, *scaledIn), r.hasDrained(a), r.claimIsMarked(a, plan))
	case !r.Set.Contains(a.Ordinal):
		return fmt.Errorf("it is scaled away too early")
	case a.Stage == StageClaims:
		return errors.Join(r.mayMakeRoom(a), r.claimStays(a, plan))
	case a.Stage == StageUpdate:
		*updated++
		return errors.Join(r.mayUpdate(a, plan, *updated), r.cannotBeChanged(a), r.claimStays(a, plan))
	}
	return errors.Join(r.mayReplace(a), r.claimStays(a, plan))
}

// A pet that should exist is replaced when it ended, when it began to leave,
// when its node cannot have it, when nobody makes its claims any more, or when its
// revision keeps it from being ready.
func (r *round) mayReplace(a Action) error {
	p := petOf(a.Pod)
	infeasible := func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodResizePending && c.Reason == corev1.PodReasonInfeasible
	}
	if p.finished || p.drainStarted || slices.ContainsFunc(a.Pod.Status.Conditions, infeasible) || p.pending && r.lacksClaims(a) {
		return nil
	}
	return errors.Join(r.mayReplaceBroken(a), r.cannotBeChanged(a))
}

// lacksClaims: the pod waits for a claim that is not there, or is lost with its volume,
// and has no template.
func (r *round) lacksClaims(a Action) bool {
	return slices.ContainsFunc(claimsOf(a.Pod), func(name string) bool {
		made := func(t corev1.PersistentVolumeClaim) bool { return r.Set.ClaimName(t.Name, a.Ordinal) == name }
		return (r.Claims[name] == nil || a.Pod.Spec.NodeName == "" && r.isLost(r.Claims[name]) == nil) && !slices.ContainsFunc(r.Set.ClaimTemplates, made)
	})
}

// Only where the set says so, and a pod that is neither ready nor on the
// revision that it should be on.
func (r *round) mayReplaceBroken(a Action) error {
	was := petOf(r.seen(a.Pod))
	switch {
	case !r.Set.ReplaceBroken:
		return fmt.Errorf("a pod that has not ended is replaced to keep it")
	case r.Set.Update.OnDelete:
		return fmt.Errorf("the set is updated on deletion only")
	case r.Set.Update.Paused:
		return fmt.Errorf("the update is paused")
	case was.ready:
		return fmt.Errorf("it is ready")
	case was.revision == r.wantedRevision(a).Name || r.sameTemplate(was.pod, r.wantedRevision(a), a.Ordinal):
		return fmt.Errorf("it is on the revision that is wanted")
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
			return fmt.Errorf("%s should go first", r.Set.PodName(p.ordinal))
		}
	}
	for _, p := range r.replicas {
		if p.unavailable(r.Set.MinReadySeconds, r.Now) {
			return fmt.Errorf("%s is not available", r.Set.PodName(p.ordinal))
		}
	}
	return nil
}

// What is to go with a pet is the pod's before the pod goes.
func (r *round) claimIsMarked(a Action, plan Plan) error {
	for i := range r.Set.ClaimTemplates {
		claim := r.claimAfter(r.Set.ClaimName(r.Set.ClaimTemplates[i].Name, a.Ordinal), plan)
		if r.Set.Retention.DeleteWhenScaled && claim != nil && len(claim.OwnerReferences) == 0 {
			return fmt.Errorf("claim %s would be left behind", claim.Name)
		}
	}
	return nil
}

// Nor is what the pod mounts and its successor will not: its template was removed.
func (r *round) formerClaimsAreMarked(a Action, plan Plan) error {
	for _, volume := range a.Pod.Spec.Volumes {
		name := r.Set.ClaimName(volume.Name, a.Ordinal)
		wanted := func(t corev1.PersistentVolumeClaim) bool { return t.Name == volume.Name }
		claim := r.claimAfter(name, plan)
		if r.Set.ClaimsFollow && r.Set.Retention.DeleteWhenScaled && claim != nil && len(claim.OwnerReferences) == 0 &&
			slices.Contains(claimsOf(a.Pod), name) && !slices.ContainsFunc(r.Set.ClaimTemplates, wanted) {
			return fmt.Errorf("claim %s would be left behind", name)
		}
	}
	return nil
}

// What a pet that should exist stands on does not go with its pod.
func (r *round) claimStays(a Action, plan Plan) error {
	for i := range r.Set.ClaimTemplates {
		claim := r.claimAfter(r.Set.ClaimName(r.Set.ClaimTemplates[i].Name, a.Ordinal), plan)
		if claim != nil && owns(claim.OwnerReferences, &a.Pod.ObjectMeta) {
			return fmt.Errorf("the pet is wanted, and claim %s would go with its pod", claim.Name)
		}
	}
	return nil
}

// sparesClaims: with the plan, no claim of a pet that should exist goes with its
// pod, whatever becomes of that; not even while others have to be waited for.
func (r *round) sparesClaims(plan Plan) error {
	if r.Set.Deleting || r.NameTaken != "" {
		return nil
	}
	for _, p := range r.replicas {
		if p.pod == nil {
			continue
		}
		if err := r.claimStays(Action{Ordinal: p.ordinal, Pod: p.pod}, plan); err != nil {
			return fmt.Errorf("%s: %w", r.Set.PodName(p.ordinal), err)
		}
	}
	return nil
}

func (r *round) claimAfter(name string, plan Plan) *corev1.PersistentVolumeClaim {
	claim := r.Claims[name]
	for _, b := range plan.Actions {
		if b.Verb == UpdateClaim && b.Claim.Name == name {
			claim = b.Claim
		}
	}
	return claim
}
