package petset

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// settled returns what is not yet as the set asks for.
func (w *world) settled() error {
	w.catchUp()
	o, err := w.observation()
	if err != nil {
		return err
	}
	plan := Decide(o)
	if len(plan.Actions) != 0 || len(plan.Waits) != 0 {
		return fmt.Errorf("the set does not settle:\n%s", show(plan))
	}
	for _, name := range slices.Sorted(maps.Keys(w.pods.truth())) {
		if _, ordinal, _ := SplitOrdinal(name); !o.Set.Contains(ordinal) {
			return fmt.Errorf("%s should not be there", name)
		}
	}
	for i := range o.Set.Replicas {
		p := petOf(w.pods.truth()[o.Set.PodName(o.Set.Ordinals.At(i))])
		p.ordinal, p.index = o.Set.Ordinals.At(i), i
		if err := w.petSettled(o, p); err != nil {
			return fmt.Errorf("pet %d: %w", p.ordinal, err)
		}
	}
	return w.statusSettled(o.Set, plan)
}

// petSettled checks that a pet is what the set asks for.
func (w *world) petSettled(o Observation, p pet) error {
	switch {
	case p.pod == nil || !w.isUp(p.pod.Name, o.Set.MinReadySeconds):
		return errors.New("it is not up")
	case !identityMatches(p.pod) || !o.Set.storageMatches(p.pod, p.ordinal):
		return errors.New("it lacks its identity")
	case p.drainStarted || p.pod.Annotations[v1alpha1.InPlaceAnnotation] != "":
		return errors.New("it is half changed")
	}
	if !o.Set.Update.OnDelete && p.index >= *o.Set.Update.Partition {
		if p.revision != o.Update.Name {
			return fmt.Errorf("it runs %s, want %s", p.revision, o.Update.Name)
		}
	}
	if revision, known := newRound(o).revisionNamed(p.revision); known {
		template := revision.templateFor(p.ordinal)
		if err := isMadeFrom(p.pod, template); err != nil {
			return err
		}
		if p.pod.Annotations["version"] != template.Annotations["version"] || p.pod.Annotations["seed"] != template.Annotations["seed"] {
			return errors.New("it was made from another template")
		}
	}
	for _, name := range claimsOf(p.pod) {
		if err := w.claimSettled(o, p, name); err != nil {
			return fmt.Errorf("claim %s: %w", name, err)
		}
	}
	return nil
}

// claimSettled checks that a claim of a pet is what the set asks for.
func (w *world) claimSettled(o Observation, p pet, name string) error {
	set, claim := o.Set, w.claims.truth()[name]
	if claim == nil {
		return errors.New("it is missing")
	}
	i := slices.IndexFunc(set.ClaimTemplates, func(t corev1.PersistentVolumeClaim) bool { return set.ClaimName(t.Name, p.ordinal) == name })
	switch {
	case i < 0: // its template was removed
		return nil
	case ownedByPod(claim):
		return errors.New("its pod owns it")
	case set.Retention.DeleteWhenDeleted != owns(claim.OwnerReferences, set.owner()):
		return errors.New("it has the wrong owners")
	}
	wants := &set.ClaimTemplates[i]
	class := wants.Spec.VolumeAttributesClassName
	switch {
	case !set.ClaimsFollow:
	case requested(claim) < requested(wants) || claim.Status.Capacity.Storage().Value() < requested(wants):
		return errors.New("it is too small")
	case class != nil && (claim.Spec.VolumeAttributesClassName == nil || *claim.Spec.VolumeAttributesClassName != *class):
		return errors.New("it has the wrong attributes class")
	}
	return nil
}

// statusSettled checks that the status tells so.
func (w *world) statusSettled(set Set, plan Plan) error {
	stored := w.sets.truth()
	if now := asStatefulSet(stored).Status; StatusChanged(now, plan.Status) || now.AvailableReplicas != int32(set.Replicas) {
		return fmt.Errorf("the status is %+v, want %+v", now, plan.Status)
	}
	for kind, want := range map[string]bool{v1alpha1.ConditionAvailable: true, v1alpha1.ConditionProgressing: false, v1alpha1.ConditionStuck: false} {
		if condition := meta.FindStatusCondition(stored.Status.Conditions, kind); !w.stateful && (condition == nil || (condition.Status == "True") != want) {
			return fmt.Errorf("the condition %s is %+v", kind, condition)
		}
	}
	return nil
}
