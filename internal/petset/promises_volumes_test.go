package petset

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// The promises about volumes that are lost with their nodes.

// mayReplaceClaim says whether the claim may be replaced: only if the set says so, and when
// its volume has been lost for as long as that says.
func (r *round) mayReplaceClaim(claim *corev1.PersistentVolumeClaim) error {
	if err := r.isLost(claim); err != nil {
		return err
	}
	since, err := time.Parse(time.RFC3339, claim.Annotations[v1alpha1.LostSinceAnnotation])
	if err != nil || r.Now.Before(since.Add(r.Set.VolumeLoss.After)) {
		return fmt.Errorf("its volume is lost since %v only, %w", since, err)
	}
	return nil
}

// isLost says whether the claim's volume is of a node that is lost, and the set does not
// wait for that.
func (r *round) isLost(claim *corev1.PersistentVolumeClaim) error {
	if !r.Set.VolumeLoss.Recreate {
		return fmt.Errorf("the set waits for lost volumes")
	}
	volume := r.Volumes[claim.Spec.VolumeName]
	if volume == nil || volume.Spec.ClaimRef.UID != claim.UID {
		return fmt.Errorf("nothing is known of the volume")
	}
	home := volume.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0].Values[0]
	alive := func(n *corev1.Node) bool { return n.Name == home && len(n.Spec.Taints) == 0 }
	if slices.ContainsFunc(r.Nodes, alive) {
		return fmt.Errorf("its node is not lost")
	}
	return nil
}

// mayMakeRoom: a pod that has no node goes when a claim of it may be replaced.
func (r *round) mayMakeRoom(a Action) error {
	if a.Pod.Spec.NodeName != "" || a.Pod.Status.Phase != corev1.PodPending {
		return fmt.Errorf("it may run")
	}
	err := fmt.Errorf("it has no claim")
	for _, name := range claimsOf(a.Pod) {
		if claim := r.Claims[name]; claim != nil {
			if err = r.mayReplaceClaim(claim); err == nil {
				return nil
			}
		}
	}
	return err
}

// mayMark: a volume is kept when its claim may be replaced, and nothing of the pet may
// run; that is taken back, with what would have become of the volume before, only while
// the claim has it.
func (r *round) mayMark(a Action) error {
	was := r.Volumes[a.Volume.Name]
	if was == nil || was.ResourceVersion != a.Volume.ResourceVersion {
		return fmt.Errorf("that is not the volume as it was observed")
	}
	claim := r.Claims[was.Spec.ClaimRef.Name]
	switch {
	case claim == nil || claim.UID != was.Spec.ClaimRef.UID:
		return fmt.Errorf("it belongs to no claim any more")
	case a.Volume.Annotations[v1alpha1.LostAnnotation] != "" && a.Volume.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimRetain:
		return fmt.Errorf("it would go with its claim")
	case a.Volume.Annotations[v1alpha1.LostAnnotation] != "":
		return r.mayReplaceClaim(claim)
	case string(a.Volume.Spec.PersistentVolumeReclaimPolicy) != was.Annotations[v1alpha1.FormerReclaimPolicyAnnotation]:
		return fmt.Errorf("it had another reclaim policy before")
	}
	return nil
}

// mayGiveUp: a claim goes when it may be replaced, there is no pod, the volume is kept,
// and no more pets than may be away have given up theirs and are not back.
func (r *round) mayGiveUp(a Action, before []Action) error {
	was, volume := r.Claims[a.Claim.Name], r.Volumes[a.Claim.Spec.VolumeName]
	switch {
	case was == nil || was.UID != a.Claim.UID || !r.wantsClaim(a):
		return fmt.Errorf("that is no claim of a pet")
	case volume == nil || volume.Annotations[v1alpha1.LostAnnotation] == "" || volume.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimRetain:
		return fmt.Errorf("its volume would go, too")
	case slices.ContainsFunc(r.Pods, func(pod *corev1.Pod) bool { return pod.Name == r.Set.PodName(a.Ordinal) }):
		return fmt.Errorf("the pet has a pod")
	case slices.ContainsFunc(before, func(b Action) bool { return b.Verb == CreatePod && b.Ordinal == a.Ordinal }):
		return fmt.Errorf("the pet gets a pod")
	}
	return r.mayReplaceClaim(was)
}

// lostClaims: a claim of the pet was given up, and the pet was not available since.
func (r *round) lostClaims(a Action) bool {
	return slices.ContainsFunc(claimsOf(a.Pod), func(name string) bool {
		if claim := r.Claims[name]; claim != nil {
			return claim.Annotations[v1alpha1.ReplacesAnnotation] != ""
		}
		for _, volume := range r.Volumes {
			if volume.Spec.ClaimRef.Name == name && volume.Annotations[v1alpha1.LostAnnotation] != "" {
				return true
			}
		}
		return false
	})
}
