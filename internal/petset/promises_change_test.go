package petset

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// The promises about pods that are changed or drained.

// mayChange tells the changes of a pod apart by what they change.
func (r *round) mayChange(a Action, plan Plan, updated *int) error {
	was := r.seen(a.Pod)
	note := func(pod *corev1.Pod) string { return pod.Annotations[v1alpha1.InPlaceAnnotation] }
	drains := func(pod *corev1.Pod) string { return pod.Annotations[v1alpha1.DrainStartedAnnotation] }
	revision := func(pod *corev1.Pod) string { return pod.Labels[apps.StatefulSetRevisionLabel] }
	switch {
	case was.DeletionTimestamp != nil:
		if !r.Set.Parallel || a.Stage != StageKeep || changesInPlace(was, a.Pod) {
			return fmt.Errorf("it goes")
		}
	case drains(was) != drains(a.Pod):
		if r.Set.Contains(a.Ordinal) || r.Set.Drain == nil {
			return fmt.Errorf("there is no reason to drain it")
		}
	case note(was) != note(a.Pod) && note(a.Pod) == "":
		if why := physically(was); why != "" && podutil.IsPodReady(was) {
			return fmt.Errorf("its change is called done, while %s", why)
		}
	case changesInPlace(was, a.Pod) && a.Stage == StageUpdate:
		*updated++
		return errors.Join(r.mayUpdate(a, plan, *updated), r.changesRightly(a))
	case changesInPlace(was, a.Pod):
		return errors.Join(r.mayReplaceBroken(a), r.changesRightly(a))
	case revision(was) != revision(a.Pod):
		if revision(a.Pod) != r.wantedRevision(a).Name || !r.sameTemplate(was, r.wantedRevision(a), a.Ordinal) {
			return fmt.Errorf("it is not the same on revision %s", revision(a.Pod))
		}
	}
	return nil
}

// changesInPlace: what runs in the pod is to be other than before.
func changesInPlace(was, now *corev1.Pod) bool {
	return was.Annotations[v1alpha1.InPlaceAnnotation] != now.Annotations[v1alpha1.InPlaceAnnotation] ||
		!equality.Semantic.DeepEqual(was.Spec.Containers, now.Spec.Containers)
}

// changesRightly: with the change and what its note announces, the pod is what
// its revision says.
func (r *round) changesRightly(a Action) error {
	note := inPlaceNote{}
	if err := json.Unmarshal([]byte(a.Pod.Annotations[v1alpha1.InPlaceAnnotation]), &note); err != nil {
		return err
	}
	target := r.wantedRevision(a)
	if a.Pod.Labels[apps.StatefulSetRevisionLabel] != target.Name {
		return fmt.Errorf("it should be on revision %s", target.Name)
	}
	return isMadeFrom(note.withResources(a.Pod), target.templateFor(a.Ordinal))
}

// isMadeFrom compares what can change in a running pod with a template.
func isMadeFrom(pod *corev1.Pod, template *corev1.PodTemplateSpec) error {
	for i := range template.Spec.Containers {
		want, have := withRequests(template.Spec.Containers[i]), pod.Spec.Containers[i]
		if want.Image != have.Image || !equality.Semantic.DeepEqual(want.Resources, have.Resources) {
			return fmt.Errorf("it would have %s with %s/%s CPUs, and should have %s with %s/%s", have.Image, have.Resources.Requests.Cpu(), have.Resources.Limits.Cpu(),
				want.Image, want.Resources.Requests.Cpu(), want.Resources.Limits.Cpu())
		}
	}
	return nil
}

// withRequests does what the API server does to a pod's container.
func withRequests(container corev1.Container) corev1.Container {
	requests := maps.Clone(container.Resources.Requests)
	for name, limit := range container.Resources.Limits {
		if _, ok := requests[name]; !ok {
			if requests == nil {
				requests = corev1.ResourceList{}
			}
			requests[name] = limit
		}
	}
	container.Resources.Requests = requests
	return container
}

// A drain goes on only in what is to go, and a resize only as it was noted.
func (r *round) mayGoOn(a Action) error {
	p := petOf(r.seen(a.Pod))
	switch {
	case p.terminating:
		return fmt.Errorf("it goes")
	case a.Verb == ResizePod && (!r.Set.Contains(a.Ordinal) || p.changing == nil):
		return fmt.Errorf("nobody noted it")
	case a.Verb == DrainPod && (r.Set.Contains(a.Ordinal) || !p.drainStarted || r.Set.Drain == nil):
		return fmt.Errorf("it should not drain")
	}
	return nil
}
