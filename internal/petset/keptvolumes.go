package petset

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// A volume that was lost with its node is kept when its claim goes: it is Released then,
// to be retained, and Kubernetes binds it to no claim again.

// volumeOf returns the volume that the claim is bound to, if it was observed.
func (r *round) volumeOf(claim *corev1.PersistentVolumeClaim) *corev1.PersistentVolume {
	volume := r.Volumes[claim.Spec.VolumeName]
	if volume == nil || volume.Spec.ClaimRef == nil || volume.Spec.ClaimRef.UID != claim.UID {
		return nil
	}
	return volume
}

// keptVolume returns the newest volume that was kept when a claim of that name went.
func (r *round) keptVolume(claim string) *corev1.PersistentVolume {
	var kept []*corev1.PersistentVolume
	for _, volume := range r.Volumes {
		if ref := volume.Spec.ClaimRef; isMarked(volume) && ref != nil && ref.Namespace == r.Set.Namespace && ref.Name == claim {
			kept = append(kept, volume)
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return slices.MaxFunc(kept, func(a, b *corev1.PersistentVolume) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
}

// noteReplaced notes on a new claim whose place it takes, if a volume was lost.
func (r *round) noteReplaced(claim *corev1.PersistentVolumeClaim) {
	if kept := r.keptVolume(claim.Name); kept != nil {
		if claim.Annotations == nil {
			claim.Annotations = map[string]string{}
		}
		claim.Annotations[v1alpha1.ReplacesAnnotation] = kept.Name
		restoreFrom(kept, claim)
	}
}

func isMarked(volume *corev1.PersistentVolume) bool {
	return volume != nil && volume.Annotations[v1alpha1.LostAnnotation] != ""
}

// marked returns the volume as one that is kept.
func (r *round) marked(volume *corev1.PersistentVolume, claim *corev1.PersistentVolumeClaim) *corev1.PersistentVolume {
	out := volume.DeepCopy()
	if out.Annotations == nil {
		out.Annotations = map[string]string{}
	}
	if out.Annotations[v1alpha1.FormerReclaimPolicyAnnotation] == "" {
		out.Annotations[v1alpha1.FormerReclaimPolicyAnnotation] = string(volume.Spec.PersistentVolumeReclaimPolicy)
	}
	out.Annotations[v1alpha1.LostAnnotation] = fmt.Sprintf("%s: %s; claim %s/%s got a new volume", r.Now.UTC().Format(time.RFC3339), lossOf(volume, r.Nodes), claim.Namespace, claim.Name)
	if name, _ := r.snapshotFor(claim); r.Set.VolumeLoss.Restore && name != "" && out.Annotations[v1alpha1.RestoreFromAnnotation] == "" {
		out.Annotations[v1alpha1.RestoreFromAnnotation] = name
	}
	out.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimRetain
	return out
}

// restored returns the volume as one in whose place there is another.
func restored(volume *corev1.PersistentVolume) *corev1.PersistentVolume {
	out := volume.DeepCopy()
	delete(out.Annotations, v1alpha1.RestoreFromAnnotation)
	return out
}

func unmarked(volume *corev1.PersistentVolume) *corev1.PersistentVolume {
	out := volume.DeepCopy()
	if former := out.Annotations[v1alpha1.FormerReclaimPolicyAnnotation]; former != "" {
		out.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimPolicy(former)
	}
	delete(out.Annotations, v1alpha1.FormerReclaimPolicyAnnotation)
	delete(out.Annotations, v1alpha1.RestoreFromAnnotation)
	delete(out.Annotations, v1alpha1.LostAnnotation)
	return out
}
