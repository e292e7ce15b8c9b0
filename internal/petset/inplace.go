package petset

import (
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

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
