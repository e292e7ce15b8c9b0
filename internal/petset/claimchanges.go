package petset

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Claims follow their templates as far as claims can change at all: they grow,
// and take another volumeAttributesClassName. That is the storage's work, and
// needs no order: it is done last, so that a claim which the API server refuses
// to change keeps nothing else from being done.

// changeClaims plans what claims of pets that should exist lack.
func (r *round) changeClaims() {
	r.stage = StageClaims
	for _, p := range r.replicas {
		r.replaceLostClaims(p)
		if !r.Set.ClaimsFollow {
			continue
		}
		for template, claim := range r.claimsOf(p) {
			if claim != nil && !r.writes(claim.Name) {
				r.changeClaim(p, claim, template)
			}
		}
	}
}

// writes reports whether the plan writes that claim already: a second write
// would be of an old version.
func (r *round) writes(claim string) bool {
	for _, a := range r.plan.Actions {
		if a.Claim != nil && a.Claim.Name == claim {
			return true
		}
	}
	return false
}

func (r *round) changeClaim(p pet, claim, template *corev1.PersistentVolumeClaim) {
	switch {
	case claim.DeletionTimestamp != nil:
		r.wait(p, fmt.Sprintf("its claim %s is being deleted, and stays until the pod goes: delete the pod to get a new claim, and an empty volume", claim.Name))
		return
	case claim.Status.Phase != corev1.ClaimBound:
		return // its spec cannot change
	}
	var why []string
	updated := claim.DeepCopy()
	has, wants := claim.Spec.Resources.Requests[corev1.ResourceStorage], template.Spec.Resources.Requests[corev1.ResourceStorage]
	if wants.Cmp(has) > 0 {
		updated.Spec.Resources.Requests[corev1.ResourceStorage] = wants
		why = append(why, fmt.Sprintf("the claim grows from %s to %s", has.String(), wants.String()))
	}
	if class := template.Spec.VolumeAttributesClassName; class != nil && *class != "" &&
		(claim.Spec.VolumeAttributesClassName == nil || *claim.Spec.VolumeAttributesClassName != *class) {
		updated.Spec.VolumeAttributesClassName = class
		why = append(why, "its attributes become those of class "+*class)
	}
	if len(why) > 0 {
		r.act(Action{Verb: UpdateClaim, Ordinal: p.ordinal, Claim: updated, Reason: strings.Join(why, ", ")})
		return
	}
	if capacity, known := claim.Status.Capacity[corev1.ResourceStorage]; known && capacity.Cmp(has) < 0 && r.mounts(p, claim) {
		r.wait(p, fmt.Sprintf("its claim %s grows from %s to %s", claim.Name, capacity.String(), has.String()))
	}
}

// mounts reports whether the pet's pod has the claim among its volumes. A file
// system grows when somebody mounts it, and not before.
func (r *round) mounts(p pet, claim *corev1.PersistentVolumeClaim) bool {
	return p.mountsClaims && slices.ContainsFunc(p.pod.Spec.Volumes, func(volume corev1.Volume) bool {
		return volume.PersistentVolumeClaim != nil && volume.PersistentVolumeClaim.ClaimName == claim.Name
	})
}

// patienceWithKubelet is how long a node may take to grow a file system under a
// running pod before the pod is restarted for it. Kubelet looks once a minute or
// two.
const patienceWithKubelet = 5 * time.Minute

// grownAfterStart: a volume of the pet was made larger after its pod started,
// and the node cannot make its file system larger while it is in use.
func (r *round) grownAfterStart(p pet) bool {
	if !r.Set.ClaimsFollow {
		return false
	}
	for _, claim := range r.claimsOf(p) {
		if since, waits := waitsForRestart(claim, p.pod); waits && r.mounts(p, claim) {
			left := since.Add(patienceWithKubelet).Sub(r.Now)
			if left <= 0 || claimCondition(claim, corev1.PersistentVolumeClaimNodeResizeError) != nil {
				return true
			}
			r.recheckIn(left)
		}
	}
	return false
}

// waitsForRestart returns since when the claim's file system is to grow, if that
// began after the pod started.
func waitsForRestart(claim *corev1.PersistentVolumeClaim, pod *corev1.Pod) (since time.Time, waits bool) {
	pending := claimCondition(claim, corev1.PersistentVolumeClaimFileSystemResizePending)
	// Both have whole seconds: one of the same second may have come before.
	if pending == nil || pod == nil || pod.Status.StartTime == nil || pending.LastTransitionTime.Before(pod.Status.StartTime) {
		return time.Time{}, false
	}
	return pending.LastTransitionTime.Time, true
}

// claimCondition returns a condition that is true, or nil.
func claimCondition(claim *corev1.PersistentVolumeClaim, kind corev1.PersistentVolumeClaimConditionType) *corev1.PersistentVolumeClaimCondition {
	if claim == nil {
		return nil
	}
	for i := range claim.Status.Conditions {
		if c := &claim.Status.Conditions[i]; c.Type == kind && c.Status == corev1.ConditionTrue {
			return c
		}
	}
	return nil
}

// claimTrouble finishes the sentence "the pet …" when its claims cannot become
// what they should be. Empty when they can.
func (r *round) claimTrouble(p pet) string {
	if !r.Set.ClaimsFollow {
		return ""
	}
	for template, claim := range r.claimsOf(p) {
		if claim == nil {
			continue
		}
		if has, wants := claim.Spec.StorageClassName, template.Spec.StorageClassName; has != nil && wants != nil && *has != *wants {
			return fmt.Sprintf("has a claim %s of storage class %q, while its template says %q: a claim keeps its class. Add a template of another name and move the data, or put the template right", claim.Name, *has, *wants)
		}
		if _, restarts := waitsForRestart(claim, p.pod); restarts {
			continue // that may be all it takes
		}
		for _, kind := range []corev1.PersistentVolumeClaimConditionType{corev1.PersistentVolumeClaimControllerResizeError,
			corev1.PersistentVolumeClaimNodeResizeError, corev1.PersistentVolumeClaimVolumeModifyVolumeError} {
			if condition := claimCondition(claim, kind); condition != nil {
				return fmt.Sprintf("has a claim %s that cannot change: %s", claim.Name, condition.Message)
			}
		}
	}
	return ""
}
