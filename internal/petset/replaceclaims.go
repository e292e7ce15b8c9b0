package petset

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// A pet whose volume was lost with its node gets a new claim, if the set says so. Each
// step shows in the objects themselves, so that whoever comes next goes on from it:
//
//  1. The claim is noted as one whose volume is lost. The note goes if the node is back.
//  2. When the time is over, and it is the pet's turn, its pod goes, which finds no node.
//  3. The volume is marked, and is kept whatever becomes of its claim.
//  4. The claim goes. From here there is no way back.
//  5. Rule 2 of keep.go makes the claim as from its template, or from a snapshot, and notes
//     what it replaces.
//
//  6. The note goes when the pet is available.
//
// A pet counts among those that are replaced at once from step 4 on, to step 6.

// chooseReplaced returns the ordinals of the pets whose turn it is.
func (r *round) chooseReplaced() map[int]bool {
	if !r.Set.VolumeLoss.Recreate {
		return nil
	}
	free := 1
	if r.Set.Update.MaxUnavailable != nil {
		free = *r.Set.Update.MaxUnavailable
	}
	for _, p := range r.replicas {
		if r.halfReplaced(p) {
			free--
		}
	}
	turn := map[int]bool{}
	for _, p := range r.replicas {
		switch {
		case !p.homeless() || !r.lossIsDue(p):
		case r.halfReplaced(p):
			turn[p.ordinal] = true
		case free > 0:
			turn[p.ordinal] = true
			free--
		}
	}
	return turn
}

// homeless: nothing of the pet runs or may run anywhere.
func (p pet) homeless() bool {
	return p.pod == nil || p.pending && !p.terminating && p.pod.Spec.NodeName == ""
}

// halfReplaced: a claim of the pet was given up, and the pet has not been available
// since.
func (r *round) halfReplaced(p pet) bool {
	for template, claim := range r.claimsOf(p) {
		switch {
		case claim == nil:
			if r.keptVolume(r.Set.ClaimName(template.Name, p.ordinal)) != nil {
				return true
			}
		case claim.DeletionTimestamp != nil:
			if isMarked(r.volumeOf(claim)) {
				return true
			}
		case claim.Annotations[v1alpha1.ReplacesAnnotation] != "":
			return true
		}
	}
	return false
}

// lossIsDue: a volume of the pet has been lost for long enough, and all that have been can
// be replaced.
func (r *round) lossIsDue(p pet) (due bool) {
	for _, claim := range r.claimsOf(p) {
		if left, lost := r.untilLoss(claim); !lost || !noted(claim) || left > 0 {
			continue
		}
		if r.Set.VolumeLoss.Restore && !isMarked(r.volumeOf(claim)) {
			if _, whyNot := r.snapshotFor(claim); whyNot != "" {
				return false
			}
		}
		due = true
	}
	return due
}

// untilLoss returns how long the claim's volume, whose node is lost, may yet come back.
func (r *round) untilLoss(claim *corev1.PersistentVolumeClaim) (left time.Duration, lost bool) {
	if claim == nil || claim.DeletionTimestamp != nil || !r.Set.VolumeLoss.Recreate || lossOf(r.volumeOf(claim), r.Nodes) == "" {
		return 0, false
	}
	since, err := time.Parse(time.RFC3339, claim.Annotations[v1alpha1.LostSinceAnnotation])
	if err != nil {
		since = r.Now // it is about to be noted
	}
	return since.Add(r.Set.VolumeLoss.After).Sub(r.Now), true
}

// replaceLostClaims takes the next step for each claim of the pet.
func (r *round) replaceLostClaims(p pet) {
	for _, claim := range r.claimsOf(p) {
		switch left, lost := r.untilLoss(claim); {
		case claim == nil || claim.DeletionTimestamp != nil || r.writes(claim.Name):
		case claim.Annotations[v1alpha1.ReplacesAnnotation] != "" && !r.unavailable(p):
			r.endReplacement(p, claim)
		case !lost:
			r.takeBack(p, claim)
		case !noted(claim):
			r.note(p, claim, lossOf(r.volumeOf(claim), r.Nodes))
			r.recheckIn(max(left, time.Second))
		case left > 0:
			r.recheckIn(left)
		case r.turn[p.ordinal]:
			r.giveUp(p, claim)
		case r.Set.VolumeLoss.Restore:
			r.recheckIn(snapshotPoll)
		}
	}
}

// endReplacement takes the notes off a claim and the volume that it replaces: first the one
// by which the next claim of this name would be restored as well.
func (r *round) endReplacement(p pet, claim *corev1.PersistentVolumeClaim) {
	const why = "its pet is available, with its new volume"
	if lost := r.Volumes[claim.Annotations[v1alpha1.ReplacesAnnotation]]; isMarked(lost) && lost.Annotations[v1alpha1.RestoreFromAnnotation] != "" {
		r.act(Action{Verb: UpdateVolume, Ordinal: p.ordinal, Volume: restored(lost), Reason: "claim " + claim.Name + " has what its snapshot had, and " + why})
		return
	}
	r.takeNote(p, claim, v1alpha1.ReplacesAnnotation, why)
}

func noted(claim *corev1.PersistentVolumeClaim) bool {
	_, err := time.Parse(time.RFC3339, claim.Annotations[v1alpha1.LostSinceAnnotation])
	return err == nil
}

func (r *round) note(p pet, claim *corev1.PersistentVolumeClaim, why string) {
	updated := claim.DeepCopy()
	if updated.Annotations == nil {
		updated.Annotations = map[string]string{}
	}
	updated.Annotations[v1alpha1.LostSinceAnnotation] = r.Now.UTC().Format(time.RFC3339)
	r.act(Action{Verb: UpdateClaim, Ordinal: p.ordinal, Claim: updated, Reason: "its volume is lost for now: " + why})
}

// takeBack undoes what was done for a volume that is not lost, or need not be replaced.
func (r *round) takeBack(p pet, claim *corev1.PersistentVolumeClaim) {
	switch volume := r.volumeOf(claim); {
	case isMarked(volume):
		r.act(Action{Verb: UpdateVolume, Ordinal: p.ordinal, Volume: unmarked(volume), Reason: "claim " + claim.Name + " keeps the volume"})
	case claim.Annotations[v1alpha1.LostSinceAnnotation] != "":
		r.takeNote(p, claim, v1alpha1.LostSinceAnnotation, "its volume is not lost")
	}
}

// takeNote takes a note off a claim.
func (r *round) takeNote(p pet, claim *corev1.PersistentVolumeClaim, note, why string) {
	updated := claim.DeepCopy()
	delete(updated.Annotations, note)
	r.act(Action{Verb: UpdateClaim, Ordinal: p.ordinal, Claim: updated, Reason: why})
}

// giveUp gives up the claim of a pet whose turn it is.
func (r *round) giveUp(p pet, claim *corev1.PersistentVolumeClaim) {
	volume := r.volumeOf(claim)
	why := fmt.Sprintf("its volume %s is lost: %s", volume.Name, lossOf(volume, r.Nodes))
	switch {
	case p.pod != nil:
		if !r.leaving[p.pod] {
			r.deletePod(p, why)
		}
	case !isMarked(volume) || volume.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimRetain:
		r.act(Action{Verb: UpdateVolume, Ordinal: p.ordinal, Volume: r.marked(volume, claim),
			Reason: fmt.Sprintf("%s, and claim %s gets a new one: the volume is kept", lossOf(volume, r.Nodes), claim.Name)})
	default:
		r.act(Action{Verb: DeleteClaim, Ordinal: p.ordinal, Claim: claim, Reason: why})
	}
}

// lossStory finishes the sentence "the pet …" when it waits for its lost volume, or
// for another. Empty when it does not.
func (r *round) lossStory(p pet) string {
	if !r.Set.VolumeLoss.Recreate || p.ready {
		return "" // it is not known, or a claim that its pod does not use
	}
	story := ""
	for _, claim := range r.claimsOf(p) {
		left, lost := r.untilLoss(claim)
		if !lost {
			continue
		}
		lacks := fmt.Sprintf("lacks the volume of its claim %s: %s. ", claim.Name, lossOf(r.volumeOf(claim), r.Nodes))
		gets, whyNot := r.replacement(claim)
		switch {
		case whyNot != "":
			return lacks + "It waits for the node: " + whyNot
		case story == "":
			story = lacks + "It gets " + gets + r.whenReplaced(p, claim, left)
		}
	}
	return story
}

// whenReplaced tells when the pet gets another volume; nothing if it does now.
func (r *round) whenReplaced(p pet, claim *corev1.PersistentVolumeClaim, left time.Duration) string {
	switch {
	case !noted(claim) || left > 0:
		return fmt.Sprintf(" if the node is not back %s after it was lost", duration.HumanDuration(r.Set.VolumeLoss.After))
	case r.turn[p.ordinal]:
		return ""
	case !p.homeless():
		return " when its pod is gone from there"
	}
	return " when the pet is available that gets one now"
}

// replacement tells which volume the pet gets for that of a claim, or why none.
func (r *round) replacement(claim *corev1.PersistentVolumeClaim) (gets, whyNot string) {
	if !r.Set.VolumeLoss.Restore {
		return "a new and empty one", ""
	}
	volume := r.volumeOf(claim)
	from, marked := volume.Annotations[v1alpha1.RestoreFromAnnotation]
	switch {
	case !noted(claim): // nobody has looked yet
		return "a new one from a snapshot", ""
	case isMarked(volume) && !marked: // by a policy that the set had before
		return "a new and empty one", ""
	case !isMarked(volume):
		from, whyNot = r.snapshotFor(claim)
	}
	return "a new one from snapshot " + from, whyNot
}
