package petset

import (
	"errors"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"
)

// What the API server does with pods.

var (
	errExists   = errors.New("there is one already")
	errConflict = errors.New("somebody else wrote first")
	errInvalid  = errors.New("that cannot change")
)

func (w *world) names() []string { return slices.Sorted(maps.Keys(w.pods.truth())) }

// ours: the set controls the pod.
func (w *world) ours(pod *corev1.Pod) bool {
	owner := metav1.GetControllerOfNoCopy(pod)
	return owner != nil && owner.UID == w.sets.truth().UID
}

func (w *world) putPod(pod *corev1.Pod) {
	w.witness.changes(w, pod.Name, pod)
	pods := maps.Clone(w.pods.truth())
	pod.ResourceVersion = w.unique()
	pods[pod.Name] = pod
	w.pods.push(pods)
}

func (w *world) putNewPod(pod *corev1.Pod) {
	pod.UID, pod.Generation = types.UID(w.unique()), 1
	pod.Status.Phase = corev1.PodPending
	for i := range pod.Spec.Containers {
		// A limit without a request makes the request.
		resources := &pod.Spec.Containers[i].Resources
		for name, limit := range resources.Limits {
			if _, ok := resources.Requests[name]; !ok {
				resources.Requests = maps.Clone(resources.Requests)
				if resources.Requests == nil {
					resources.Requests = corev1.ResourceList{}
				}
				resources.Requests[name] = limit
			}
		}
	}
	w.putPod(pod)
}

func (w *world) removePod(name string) {
	w.witness.changes(w, name, nil)
	pods := maps.Clone(w.pods.truth())
	delete(pods, name)
	w.pods.push(pods)
}

// changePod writes a change by others than the controller.
func (w *world) changePod(name string, change func(*corev1.Pod)) {
	pod := w.pods.truth()[name].DeepCopy()
	change(pod)
	w.putPod(pod)
}

func (w *world) createPod(pod *corev1.Pod) error {
	if w.pods.truth()[pod.Name] != nil {
		return errExists
	}
	w.putNewPod(pod.DeepCopy())
	return nil
}

// updatePod allows what an API server allows: labels, annotations, images.
func (w *world) updatePod(pod *corev1.Pod) error {
	was := w.pods.truth()[pod.Name]
	if was == nil || was.UID != pod.UID || was.ResourceVersion != pod.ResourceVersion {
		return errConflict
	}
	now := pod.DeepCopy()
	for i := range now.Spec.Containers {
		now.Spec.Containers[i].Image = was.Spec.Containers[i].Image
	}
	if !equality.Semantic.DeepEqual(now.Spec, was.Spec) {
		return errInvalid
	}
	return w.putSpec(was, pod)
}

// resizePod allows another amount of resources, in the same class of service,
// unless the node can tell at once that it has not as much.
func (w *world) resizePod(pod *corev1.Pod) error {
	was := w.pods.truth()[pod.Name]
	if was == nil || was.UID != pod.UID || was.ResourceVersion != pod.ResourceVersion {
		return errConflict
	}
	if qos.ComputePodQOS(was) != qos.ComputePodQOS(pod) || w.chance(2) && !w.fits(pod) {
		return errInvalid
	}
	return w.putSpec(was, pod)
}

func (w *world) putSpec(was, pod *corev1.Pod) error {
	now := was.DeepCopy()
	now.Labels, now.Annotations = maps.Clone(pod.Labels), maps.Clone(pod.Annotations)
	if !equality.Semantic.DeepEqual(was.Spec, pod.Spec) {
		now.Spec = *pod.Spec.DeepCopy()
		now.Generation++
	}
	w.putPod(now)
	return nil
}

// deletePod is graceful: the kubelet of a pod that may run has the last word.
func (w *world) deletePod(name string) {
	pod := w.pods.truth()[name]
	switch p := petOf(pod); {
	case pod == nil || p.terminating:
	case pod.Spec.NodeName == "" || p.finished:
		w.say("%s is deleted", name)
		w.removePod(name)
	default:
		w.say("%s is being deleted", name)
		w.changePod(name, func(pod *corev1.Pod) { pod.DeletionTimestamp = &metav1.Time{Time: w.now} })
	}
}
