package petset

import (
	"encoding/json"
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"

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

// changing returns what is still under way in the pod, or nil.
func (p pet) changing() *inPlaceNote {
	if p.pod == nil || p.pod.Annotations[v1alpha1.InPlaceAnnotation] == "" {
		return nil
	}
	note := &inPlaceNote{}
	if err := json.Unmarshal([]byte(p.pod.Annotations[v1alpha1.InPlaceAnnotation]), note); err != nil {
		return nil // not ours
	}
	if note.doneIn(p.pod) {
		return nil
	}
	return note
}

// changed: a change of the pod is over, and its note can go.
func (p pet) changed() bool {
	return p.pod != nil && p.pod.Annotations[v1alpha1.InPlaceAnnotation] != "" && p.changing() == nil
}

// doneIn: kubelet has seen the pod as it is now, and has done all of it.
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
	if p.changing() == nil {
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

// changedInPlace returns the running pod as it has to be written to go from one
// template to another, or nil if that takes a new pod: when more than images and
// resources of its containers differ, or its class of service would.
func changedInPlace(p pet, from, to *corev1.PodTemplateSpec) *corev1.Pod {
	if p.pod.Status.Phase != corev1.PodRunning || len(from.Spec.Containers) != len(to.Spec.Containers) {
		return nil
	}
	rest, out, note := from.DeepCopy(), p.pod.DeepCopy(), p.noteOfChange()
	for i := range rest.Spec.Containers {
		old, now := &rest.Spec.Containers[i], &to.Spec.Containers[i]
		container := containerOf(out, now.Name)
		if container == nil || old.Name != now.Name {
			return nil
		}
		if old.Image != now.Image {
			container.Image = now.Image
			note.restart(p.pod, now.Name, old.Image, now.Image)
		}
		if !equality.Semantic.DeepEqual(old.Resources, now.Resources) {
			resources, ok := resized(container.Resources, old.Resources, now.Resources)
			if !ok {
				return nil
			}
			note.Resources[now.Name] = resources
		}
		old.Image, old.Resources = now.Image, now.Resources
	}
	if !equality.Semantic.DeepEqual(rest, to) || qos.ComputePodQOS(note.withResources(p.pod)) != qos.ComputePodQOS(p.pod) {
		return nil
	}
	text, err := json.Marshal(note)
	if err != nil {
		return nil
	}
	if out.Annotations == nil {
		out.Annotations = map[string]string{}
	}
	out.Annotations[v1alpha1.InPlaceAnnotation] = string(text)
	return out
}

// noteOfChange begins a note: with what a former change has not done yet.
func (p pet) noteOfChange() inPlaceNote {
	note := inPlaceNote{Restarts: map[string]formerContainer{}, Resources: map[string]corev1.ResourceRequirements{}}
	if pending := p.changing(); pending != nil {
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

// resized returns the resources of a container in a pod after a change of its
// template. Only the amounts of CPU and memory can change (KEP-1287).
func resized(have, old, now corev1.ResourceRequirements) (corev1.ResourceRequirements, bool) {
	out := *have.DeepCopy()
	if !equality.Semantic.DeepEqual(old.Claims, now.Claims) {
		return out, false
	}
	ok := resizeList(out.Limits, old.Limits, now.Limits) && resizeList(out.Requests, old.Requests, now.Requests)
	for name, limit := range now.Limits {
		// The API server made a request of the limit where the template has none.
		if _, named := now.Requests[name]; !named && out.Requests != nil {
			out.Requests[name] = limit
		}
	}
	return out, ok
}

func resizeList(out, old, now corev1.ResourceList) bool {
	if len(old) != len(now) {
		return false
	}
	for name, amount := range now {
		before, ok := old[name]
		if !ok || (!resizable(name) && before.Cmp(amount) != 0) {
			return false
		}
		if out == nil {
			return false
		}
		out[name] = amount
	}
	return true
}

func resizable(name corev1.ResourceName) bool {
	return name == corev1.ResourceCPU || name == corev1.ResourceMemory
}

func containerOf(pod *corev1.Pod, name string) *corev1.Container {
	for i := range pod.Spec.Containers {
		if pod.Spec.Containers[i].Name == name {
			return &pod.Spec.Containers[i]
		}
	}
	return nil
}

func withoutNote(pod *corev1.Pod) *corev1.Pod {
	out := pod.DeepCopy()
	delete(out.Annotations, v1alpha1.InPlaceAnnotation)
	return out
}
