package petset

import (
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// settler is a world in which everything works at once.
type settler struct {
	pods      map[string]*corev1.Pod
	claims    map[string]*corev1.PersistentVolumeClaim
	revisions map[string]Revision
	plan      Plan
	uids      int
}

// settle carries plans out until there is nothing to do.
func (s *settler) settle(set Set) error {
	data, err := set.RevisionData()
	if err != nil {
		return err
	}
	object, err := set.NewRevision(data, 1, 0)
	if err != nil {
		return err
	}
	update, err := DecodeRevision(object)
	if err != nil {
		return err
	}
	s.revisions[update.Name] = update
	for range 200 {
		o := s.observe(set, update)
		s.plan = Decide(o)
		if err := promised(o, s.plan); err != nil {
			return fmt.Errorf("%w\n%s", err, show(s.plan))
		}
		if len(s.plan.Actions) == 0 {
			break
		}
		for _, action := range s.plan.Actions {
			s.perform(action)
		}
	}
	if len(s.plan.Actions)+len(s.plan.Waits) > 0 || len(s.pods) != set.Replicas {
		return fmt.Errorf("%d pods, and it does not settle:\n%s", len(s.pods), show(s.plan))
	}
	return nil
}

func (s *settler) observe(set Set, update Revision) Observation {
	set.Status = s.plan.Status
	current, known := s.revisions[set.Status.CurrentRevision]
	if !known {
		current = update
	}
	o := Observation{Set: set, Current: current, Update: update, Former: s.revisions, Claims: s.claims, Now: time.Unix(1_800_000_000, 0)}
	for _, name := range slices.Sorted(maps.Keys(s.pods)) {
		o.Pods = append(o.Pods, s.pods[name])
	}
	return o
}

// perform does an action, and all that follows from it.
func (s *settler) perform(a Action) {
	s.uids++
	switch a.Verb {
	case CreateClaim, UpdateClaim:
		a.Claim.ResourceVersion = fmt.Sprint(s.uids)
		a.Claim.Status = corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound, Capacity: a.Claim.Spec.Resources.Requests}
		s.claims[a.Claim.Name] = a.Claim
	case CreatePod, UpdatePod, ResizePod:
		pod := a.Pod
		if a.Verb == CreatePod {
			pod.UID = types.UID(fmt.Sprint(s.uids))
		}
		pod.ResourceVersion = fmt.Sprint(s.uids)
		pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, StartTime: ptr.To(metav1.Unix(0, 0)),
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Unix(0, 0)}}}
		for _, container := range pod.Spec.Containers {
			pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{Name: container.Name, Image: container.Image,
				ContainerID: fmt.Sprint(s.uids), State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}, Resources: container.Resources.DeepCopy()})
		}
		s.pods[pod.Name] = pod
	case DrainPod:
		annotate(s.pods[a.Pod.Name], v1alpha1.DrainedAnnotation, "now")
	case DeletePod:
		delete(s.pods, a.Pod.Name)
	}
}
