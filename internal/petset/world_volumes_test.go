package petset

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Volumes on the nodes' own disks: made where a pod is that wants them, and bound to
// that node ever after.

func (w *world) putVolume(volume *corev1.PersistentVolume) {
	volumes := maps.Clone(w.volumes.truth())
	volume.ResourceVersion = w.unique()
	volumes[volume.Name] = volume
	w.volumes.push(volumes)
}

func (w *world) updateVolume(volume *corev1.PersistentVolume) error {
	if was := w.volumes.truth()[volume.Name]; was == nil || was.ResourceVersion != volume.ResourceVersion {
		return errConflict
	}
	w.putVolume(volume.DeepCopy())
	return nil
}

// reclaim does with a volume what its policy says when its claim is gone.
func (w *world) reclaim(claim *corev1.PersistentVolumeClaim) {
	volume := w.volumes.truth()[claim.Spec.VolumeName]
	if volume == nil {
		return
	}
	if volume.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimRetain {
		released := volume.DeepCopy()
		released.Status.Phase = corev1.VolumeReleased
		w.putVolume(released)
		return
	}
	w.witness.destroyed(volume)
	volumes := maps.Clone(w.volumes.truth())
	delete(volumes, volume.Name)
	w.volumes.push(volumes)
}

// provision makes the volumes of a pod that goes to a node.
func (w *world) provision(pod *corev1.Pod) {
	for _, name := range claimsOf(pod) {
		claim := w.claims.truth()[name]
		if !w.local || claim == nil || claim.Spec.VolumeName != "" {
			continue
		}
		volume := localVolume(w.unique(), pod.Spec.NodeName, claim)
		volume.Spec.PersistentVolumeReclaimPolicy = oneOf(w, corev1.PersistentVolumeReclaimDelete, corev1.PersistentVolumeReclaimRetain)
		w.putVolume(volume)
		bound := claim.DeepCopy()
		bound.Spec.VolumeName = volume.Name
		bound.Status.Phase, bound.Status.Capacity = corev1.ClaimBound, maps.Clone(claim.Spec.Resources.Requests)
		w.putClaim(bound)
	}
}

// has: the node can have all volumes of the pod's claims.
func (w *world) hasVolumes(node string, pod *corev1.Pod) bool {
	return !slices.ContainsFunc(claimsOf(pod), func(name string) bool {
		claim := w.claims.truth()[name]
		return claim != nil && w.volumes.truth()[claim.Spec.VolumeName] != nil && homeOf(w.volumes.truth()[claim.Spec.VolumeName]) != node
	})
}

// torn: no node can have all volumes of the pod. Its set had one of the templates, then
// the other, and has both now.
func (w *world) torn(pod *corev1.Pod) bool {
	homes := map[string]bool{}
	for _, name := range claimsOf(pod) {
		if claim := w.claims.truth()[name]; claim != nil && w.volumes.truth()[claim.Spec.VolumeName] != nil {
			homes[homeOf(w.volumes.truth()[claim.Spec.VolumeName])] = true
		}
	}
	return len(homes) > 1
}

// nodeObjects are the nodes as the API has them.
func (w *world) nodeObjects() (nodes []*corev1.Node) {
	for _, name := range w.nodeNames() {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{nodeLabel: name}}}
		if w.nodes[name].fenced {
			node.Spec.Taints = []corev1.Taint{fencedTaint}
		}
		if !w.nodes[name].gone {
			nodes = append(nodes, node)
		}
	}
	return nodes
}
