package petset

import (
	"strconv"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/controller"
)

// NewPod makes the pod of a pet from a revision's template.
func (s Set) NewPod(ordinal int, revision Revision) *corev1.Pod {
	owner := metav1.NewControllerRef(s.owner(), s.Kind)
	// It fails only for a parent without metadata.
	pod, _ := controller.GetPodFromTemplate(revision.templateFor(ordinal), &metav1.PartialObjectMetadata{ObjectMeta: *s.owner()}, owner)
	pod.Name = s.PodName(ordinal)
	pod.Namespace = s.Namespace
	pod.Labels[apps.StatefulSetRevisionLabel] = revision.Name
	pod.Labels[apps.StatefulSetPodNameLabel] = pod.Name
	pod.Labels[apps.PodIndexLabel] = strconv.Itoa(ordinal)
	s.Failover.mark(pod)
	pod.Spec.Hostname = pod.Name
	pod.Spec.Subdomain = s.ServiceName
	pod.Spec.Volumes = s.volumes(pod.Spec.Volumes, ordinal)
	return pod
}

// identityMatches reports whether the pod can be found by its own name. The
// index label is not looked at: pods from before Kubernetes 1.28 lack it and
// are not to be written again because of that.
func identityMatches(pod *corev1.Pod) bool {
	return pod.Labels[apps.StatefulSetPodNameLabel] == pod.Name
}

// storageMatches reports whether each claim template has its volume in the
// pod, bound to the pet's own claim. Where templates may change, a pod has those
// of the time when it was made.
func (s Set) storageMatches(pod *corev1.Pod, ordinal int) bool {
	if s.ClaimsFollow {
		return true
	}
	for i := range s.ClaimTemplates {
		template := s.ClaimTemplates[i].Name
		if !mountsClaim(pod.Spec.Volumes, template, s.ClaimName(template, ordinal)) {
			return false
		}
	}
	return true
}

func mountsClaim(volumes []corev1.Volume, volume, claim string) bool {
	for i := range volumes {
		if volumes[i].Name == volume {
			source := volumes[i].PersistentVolumeClaim
			return source != nil && source.ClaimName == claim
		}
	}
	return false
}

// repaired returns a copy of the pod with its identity and storage put right.
// The API server lets labels change and refuses other volumes: that refusal is
// how the user learns of a pod with foreign volumes.
func (s Set) repaired(pod *corev1.Pod, ordinal int) *corev1.Pod {
	out := pod.DeepCopy()
	if out.Labels == nil {
		out.Labels = map[string]string{}
	}
	out.Labels[apps.StatefulSetPodNameLabel] = pod.Name
	out.Labels[apps.PodIndexLabel] = strconv.Itoa(ordinal)
	if !s.storageMatches(pod, ordinal) {
		out.Spec.Volumes = s.volumes(pod.Spec.Volumes, ordinal)
	}
	return out
}

// volumes returns the volumes of the pet's claims, then those of its pod that
// no claim takes the place of.
func (s Set) volumes(own []corev1.Volume, ordinal int) []corev1.Volume {
	if len(s.ClaimTemplates) == 0 {
		return own
	}
	out := make([]corev1.Volume, 0, len(own)+len(s.ClaimTemplates))
	taken := make(map[string]bool, len(s.ClaimTemplates))
	for i := range s.ClaimTemplates {
		template := s.ClaimTemplates[i].Name
		taken[template] = true
		out = append(out, corev1.Volume{Name: template, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: s.ClaimName(template, ordinal)},
		}})
	}
	for i := range own {
		if !taken[own[i].Name] {
			out = append(out, own[i])
		}
	}
	return out
}
