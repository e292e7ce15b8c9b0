package petset

import (
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// A volume that was lost with its node can be restored from a snapshot, where the driver
// keeps those elsewhere. The volume that is kept bears the snapshot's name until the pet is
// available with its new volume, so that it is restored once.

// snapshotPoll is how often a set that waits for a snapshot looks for one.
const snapshotPoll = time.Minute

// snapshotFor returns the newest snapshot of a claim whose volume is lost, or why there is none.
func (r *round) snapshotFor(claim *corev1.PersistentVolumeClaim) (name, whyNot string) {
	if volume := r.volumeOf(claim); volume != nil && volume.Spec.CSI != nil && volume.Spec.CSI.Driver == v1alpha1.VolumeDriver {
		return "", "snapshots by " + v1alpha1.VolumeDriver + " are on the same disk"
	}
	var newest *snapshotv1.VolumeSnapshot
	for i := range r.Snapshots {
		s := &r.Snapshots[i]
		if isSnapshotOf(s, claim) && (newest == nil || newest.Status.CreationTime.Before(s.Status.CreationTime)) {
			newest = s
		}
	}
	if newest == nil {
		return "", "no snapshot of it is ready to use"
	}
	return newest.Name, ""
}

// isSnapshotOf: it can be restored, and has what this claim had, not one of its name before:
// either it is younger, or the claim itself was made from it.
func isSnapshotOf(s *snapshotv1.VolumeSnapshot, claim *corev1.PersistentVolumeClaim) bool {
	if s.DeletionTimestamp != nil || s.Status == nil || !ptr.Deref(s.Status.ReadyToUse, false) || s.Status.CreationTime == nil ||
		ptr.Deref(s.Spec.Source.PersistentVolumeClaimName, "") != claim.Name {
		return false
	}
	source := claim.Spec.DataSource
	return !s.Status.CreationTime.Before(&claim.CreationTimestamp) || source != nil && source.Kind == snapshotKind && source.Name == s.Name
}

const snapshotKind = "VolumeSnapshot"

// restoreFrom makes a new claim one for what a snapshot of the volume has.
func restoreFrom(lost *corev1.PersistentVolume, claim *corev1.PersistentVolumeClaim) {
	name := lost.Annotations[v1alpha1.RestoreFromAnnotation]
	if name == "" {
		return
	}
	claim.Spec.DataSource = &corev1.TypedLocalObjectReference{APIGroup: ptr.To(snapshotv1.GroupName), Kind: snapshotKind, Name: name}
	claim.Spec.DataSourceRef = nil // the API server makes it the same
	// It may have grown, and a snapshot needs as much.
	if size := lost.Spec.Capacity[corev1.ResourceStorage]; size.Cmp(claim.Spec.Resources.Requests[corev1.ResourceStorage]) > 0 {
		claim.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: size}
	}
}
