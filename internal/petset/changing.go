package petset

import (
	"encoding/json"
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// A change of a running pod takes time: kubelet restarts containers, and gives
// them other resources. The pod itself bears the note of what was asked, so that
// whoever looks next, another controller after a crash, knows when it is done.

// inPlaceNote is the value of the annotation InPlaceAnnotation.
type inPlaceNote struct {
	// Restarts are what the containers that get another image were before.
	Restarts map[string]formerContainer `json:"restarts,omitempty"`
	// Resources are those that containers are to have.
	Resources map[string]corev1.ResourceRequirements `json:"resources,omitempty"`
}

// formerContainer is a container that ran before a change.
type formerContainer struct {
	ID    string `json:"id"`
	Image string `json:"image"`
}

// changingIn returns what is still under way in the pod, or nil.
func changingIn(pod *corev1.Pod) *inPlaceNote {
	text := pod.Annotations[v1alpha1.InPlaceAnnotation]
	if text == "" {
		return nil
	}
	note := &inPlaceNote{}
	if err := json.Unmarshal([]byte(text), note); err != nil {
		return nil // not ours
	}
	if note.doneIn(pod) {
		return nil
	}
	return note
}

// changed: a change of the pod is over, and its note can go.
func (p pet) changed() bool {
	return p.noted && p.changing == nil
}

// doneIn: kubelet has seen the pod as it is now, and has done all of it. A
// container that crashed by itself in the moment before kubelet saw the change
// looks like one that was restarted for it: then this is a moment early.
func (n *inPlaceNote) doneIn(pod *corev1.Pod) bool {
	if pod.Status.ObservedGeneration < pod.Generation || n.lacksResources(pod) {
		return false
	}
	for name, before := range n.Restarts {
		status := containerStatus(pod, name)
		if status == nil || status.ContainerID == before.ID || status.State.Running == nil {
			return false
		}
	}
	for _, condition := range pod.Status.Conditions {
		resizing := condition.Type == corev1.PodResizePending || condition.Type == corev1.PodResizeInProgress
		if len(n.Resources) > 0 && resizing && condition.Status == corev1.ConditionTrue {
			return false
		}
	}
	return true
}

// lacksResources: the pod's spec is yet to be given the resources.
func (n *inPlaceNote) lacksResources(pod *corev1.Pod) bool {
	for i := range pod.Spec.Containers {
		want, ok := n.Resources[pod.Spec.Containers[i].Name]
		if ok && !equality.Semantic.DeepEqual(want, pod.Spec.Containers[i].Resources) {
			return true
		}
	}
	return false
}

// withResources returns the pod with the resources of the note.
func (n *inPlaceNote) withResources(pod *corev1.Pod) *corev1.Pod {
	out := pod.DeepCopy()
	for i := range out.Spec.Containers {
		if want, ok := n.Resources[out.Spec.Containers[i].Name]; ok {
			out.Spec.Containers[i].Resources = want
		}
	}
	return out
}

// infeasible: the node will never have what the pod is to have.
func (p pet) infeasible() bool {
	if p.changing == nil {
		return false
	}
	for _, condition := range p.pod.Status.Conditions {
		if condition.Type == corev1.PodResizePending && condition.Reason == corev1.PodReasonInfeasible {
			return true
		}
	}
	return false
}

func containerStatus(pod *corev1.Pod, name string) *corev1.ContainerStatus {
	for i := range pod.Status.ContainerStatuses {
		if pod.Status.ContainerStatuses[i].Name == name {
			return &pod.Status.ContainerStatuses[i]
		}
	}
	return nil
}

func withoutNote(pod *corev1.Pod) *corev1.Pod {
	out := pod.DeepCopy()
	delete(out.Annotations, v1alpha1.InPlaceAnnotation)
	return out
}

// noteOfChange begins a note: with what a former change has not done yet.
func (p pet) noteOfChange() inPlaceNote {
	note := inPlaceNote{Restarts: map[string]formerContainer{}, Resources: map[string]corev1.ResourceRequirements{}}
	if pending := p.changing; pending != nil {
		maps.Copy(note.Restarts, pending.Restarts)
		maps.Copy(note.Resources, pending.Resources)
	}
	return note
}

// restart notes that a container gets another image. One that goes back to the
// image that it still runs is not restarted by kubelet: nobody may wait for that.
func (n *inPlaceNote) restart(pod *corev1.Pod, name, from, to string) {
	before := formerContainer{Image: from}
	if status := containerStatus(pod, name); status != nil {
		before.ID = status.ContainerID
	}
	if pending, ok := n.Restarts[name]; ok && pending.ID == before.ID {
		before.Image = pending.Image
	}
	delete(n.Restarts, name)
	if before.Image != to {
		n.Restarts[name] = before
	}
}
