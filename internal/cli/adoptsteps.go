package cli

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// An adoption has no memory but the cluster: what to do next follows from what
// is there, so it may end between any two steps and go on later.

// adoptionStep is what to do next.
type adoptionStep struct {
	do adoptionVerb
	// set is what is created or written.
	set *unstructured.Unstructured
	// says it to the user; for refusals, why and what to do.
	says string
}

type adoptionVerb string

const (
	// createNew makes the new set, updateNew gives it the old one's present spec,
	// and withdrawNew deletes it, when the adoption turns out to be impossible.
	createNew   adoptionVerb = "create the new set"
	updateNew   adoptionVerb = "update the new set"
	withdrawNew adoptionVerb = "withdraw the new set"
	// retainClaims lets the old set's claims outlive it, and freeClaims takes the
	// old set from their owners.
	retainClaims adoptionVerb = "retain the claims"
	freeClaims   adoptionVerb = "free the claims"
	// orphanPods deletes the old set and leaves its pods.
	orphanPods adoptionVerb = "delete the old set"
	// finish removes the traces of the adoption.
	finish      adoptionVerb = "finish"
	waitMore    adoptionVerb = "wait"
	refuse      adoptionVerb = "refuse"
	nothingToDo adoptionVerb = "nothing"
)

// next decides the step: the first rule that applies.
func (v adoptionView) next() (adoptionStep, error) {
	var note *adoptionNote
	if v.new != nil {
		note = noteOf(v.new)
	}
	ours := note != nil && note.Kind == v.from.kind.Kind
	switch {
	case v.old == nil && v.new == nil:
		return v.refuse("there is no %s in namespace %s", v.oldName(), v.namespace)
	case v.old == nil && !ours:
		return adoptionStep{do: nothingToDo, says: v.newName() + " is a " + v.to.kind.Kind + " already"}, nil
	case v.old == nil:
		return v.takeOver()

	case noteOf(v.old) != nil:
		return v.refuse("%s is half way from %s: `mainstay adopt %s` goes on with that", v.oldName(), v.newName(), v.newName())
	case ours && note.UID != v.old.GetUID():
		return v.refuse("%s was begun from another %s that is gone. Two sets of one name cannot go on: delete one of them with --cascade=orphan, which keeps its pods",
			v.newName(), v.oldName())
	case v.new != nil && !ours:
		return v.refuse("there is a %s already, which was not made from %s: delete one of them with --cascade=orphan, which keeps its pods", v.newName(), v.oldName())
	case v.new != nil && v.new.GetDeletionTimestamp() != nil:
		return v.refuse("%s is being deleted: try again when it is gone", v.newName())
	case v.old.GetDeletionTimestamp() != nil:
		return v.letGo()
	}
	return v.prepare(note)
}

func (v adoptionView) refuse(format string, arguments ...any) (adoptionStep, error) {
	return adoptionStep{do: refuse, says: fmt.Sprintf(format, arguments...)}, nil
}

func (v adoptionView) wait(format string, arguments ...any) (adoptionStep, error) {
	return adoptionStep{do: waitMore, says: fmt.Sprintf(format, arguments...)}, nil
}

// prepare holds the rules until the old set may go: it is the set that runs the
// pods, and the new one watches.
func (v adoptionView) prepare(note *adoptionNote) (adoptionStep, error) {
	old, err := toPetSet(v.old) // whose fields are those of a StatefulSet, and more
	if err != nil {
		return adoptionStep{}, err
	}
	if note == nil {
		if why := v.impossible(old); why != "" {
			return adoptionStep{do: refuse, says: why + ". Nothing was changed"}, nil
		}
		return v.write(createNew, v.newName()+" is made; the pods are still those of "+v.oldName(), deletesClaims(v.old))
	}
	made, err := toPetSet(v.new)
	if err != nil {
		return adoptionStep{}, err
	}
	switch {
	case note.Generation != old.Generation:
		return v.write(updateNew, v.newName()+" has the spec of "+v.oldName()+" as it is now", note.DeleteClaims)
	case made.Status.ObservedGeneration < made.Generation:
		return v.wait("waits until a controller of %ss has looked at it", v.to.kind.Kind)
	case rolling(old) != "":
		return v.wait("waits for the rollout of %s: %s", v.oldName(), rolling(old))
	case made.Status.UpdateRevision != old.Status.UpdateRevision && !v.dropsOverrides(old):
		return v.withdraw(note, made.Status.UpdateRevision, old.Status.UpdateRevision)
	case deletesClaims(v.old):
		return adoptionStep{do: retainClaims, says: "the claims will outlive " + v.oldName()}, nil
	case len(v.claims) > 0:
		return adoptionStep{do: freeClaims, says: fmt.Sprintf("%d claims belong to %s no longer", len(v.claims), v.oldName())}, nil
	}
	return adoptionStep{do: orphanPods, says: v.oldName() + " is deleted, its pods are not"}, nil
}

// withdraw: the old set goes on, so what was changed about it is told.
func (v adoptionView) withdraw(note *adoptionNote, is, wanted string) (adoptionStep, error) {
	says := fmt.Sprintf("%s would be of revision %s, while the pods run %s: they would restart. %s runs on without it; if restarts are no harm, `mainstay rollout restart` it, and try again",
		v.newName(), is, wanted, v.oldName())
	if note.DeleteClaims && !deletesClaims(v.old) {
		says += ". Its claims no longer go with it: set spec.persistentVolumeClaimRetentionPolicy.whenDeleted to Delete again"
	}
	return adoptionStep{do: withdrawNew, set: v.new, says: says}, nil
}

func (v adoptionView) write(do adoptionVerb, says string, deleteClaims bool) (adoptionStep, error) {
	set, err := copyOf(v.old, v.to, adoptionNote{
		Kind: v.from.kind.Kind, UID: v.old.GetUID(), Generation: v.old.GetGeneration(), DeleteClaims: deleteClaims})
	return adoptionStep{do: do, set: set, says: says}, err
}

// impossible says why the old set cannot be turned into the other kind.
func (v adoptionView) impossible(old *v1alpha1.PetSet) string {
	used := features(old.Spec)
	if v.to == petSetKind {
		used = nil
	}
	lost := ordinalsDiffer(old.Spec, v.name, v.pods)
	switch owner := metav1.GetControllerOf(old); {
	case owner != nil:
		return fmt.Sprintf("%s belongs to %s/%s, which would make it anew: that operator must learn of PetSets first", v.oldName(), strings.ToLower(owner.Kind), owner.Name)
	case rolling(old) != "":
		return fmt.Sprintf("%s is in the middle of a rollout (%s): let it finish first, see `mainstay rollout status %s`", v.oldName(), rolling(old), v.oldName())
	case len(used) > 0 && lost != "":
		return fmt.Sprintf("%s has reserved ordinals, and a StatefulSet would have no %s: scale the set in until its pods have no gap", v.oldName(), lost)
	case len(used) > 0 && !v.dropFeatures:
		return fmt.Sprintf("a StatefulSet has no field for what %s uses:\n  - %s\nTake that out of its spec, or give it up with --drop-features",
			v.oldName(), strings.Join(used, "\n  - "))
	}
	return ""
}

func (v adoptionView) dropsOverrides(old *v1alpha1.PetSet) bool {
	return v.to == statefulSetKind && len(old.Spec.Overrides) > 0
}

// letGo holds the rules while the old set is being deleted.
func (v adoptionView) letGo() (adoptionStep, error) {
	finalizers := v.old.GetFinalizers()
	switch {
	case v.new == nil || slices.Contains(finalizers, metav1.FinalizerDeleteDependents):
		return v.refuse("%s is being deleted, and its pods with it", v.oldName())
	case slices.Contains(finalizers, metav1.FinalizerOrphanDependents):
		return v.wait("waits until garbage collection has let the pods of %s go", v.oldName())
	}
	return v.wait("waits until the finalizers of %s are gone: %s", v.oldName(), strings.Join(finalizers, ", "))
}

// takeOver holds the rules after the old set is gone.
func (v adoptionView) takeOver() (adoptionStep, error) {
	made, err := toPetSet(v.new)
	if err != nil {
		return adoptionStep{}, err
	}
	taken, ready := int32(0), int32(0)
	for _, pod := range v.pods {
		if owned(pod.OwnerReferences, made.UID) {
			taken++
		}
		if podReady(pod) {
			ready++
		}
	}
	status := made.Status
	switch {
	case taken < int32(len(v.pods)):
		return v.wait("waits until %s has taken its pods: %d of %d", v.newName(), taken, len(v.pods))
	case status.ObservedGeneration < made.Generation || status.Replicas != taken || status.ReadyReplicas != ready:
		return v.wait("waits until the status of %s is up to date", v.newName())
	}
	return adoptionStep{do: finish, says: fmt.Sprintf("%s has all %d pods, %d of them ready", v.newName(), taken, ready)}, nil
}
