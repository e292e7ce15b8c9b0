package petset

import (
	"fmt"
	"slices"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"
)

// The promises about updates.

// A pod is not replaced that could be changed.
func (r *round) cannotBeChanged(a Action) error {
	target := r.wantedRevision(a)
	own, known := r.revisionNamed(a.Pod.Labels[apps.StatefulSetRevisionLabel])
	if !r.Set.Update.InPlace || !known || own.Name == target.Name || a.Pod.Status.Phase != corev1.PodRunning {
		return nil
	}
	from, to := own.templateFor(a.Ordinal), target.templateFor(a.Ordinal)
	if !equality.Semantic.DeepEqual(leveled(from), leveled(to)) {
		return nil
	}
	after := a.Pod.DeepCopy()
	for i := range to.Spec.Containers {
		after.Spec.Containers[i].Resources = withRequests(to.Spec.Containers[i]).Resources
	}
	if qos.ComputePodQOS(after) != qos.ComputePodQOS(a.Pod) {
		return nil
	}
	return fmt.Errorf("it could be changed in place")
}

// leveled is the template without what can change in a running pod.
func leveled(template *corev1.PodTemplateSpec) *corev1.PodTemplateSpec {
	out := template.DeepCopy()
	for i := range out.Spec.Containers {
		container := &out.Spec.Containers[i]
		container.Image = ""
		for _, list := range []corev1.ResourceList{container.Resources.Limits, container.Resources.Requests} {
			for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
				if _, ok := list[name]; ok {
					list[name] = resource.Quantity{}
				}
			}
		}
	}
	return out
}

// Only a pod of another revision, or one that has to see its grown volume, at or
// above the partition, in the order that was asked, and no more of them than may
// be unavailable.
func (r *round) mayUpdate(a Action, plan Plan, count int) error {
	was := petOf(r.seen(a.Pod))
	limit, unavailable := 1, count
	if r.Set.Update.MaxUnavailable != nil {
		limit = *r.Set.Update.MaxUnavailable
		unavailable += r.unavailableNow()
	}
	switch {
	case r.Set.Update.OnDelete:
		return fmt.Errorf("the set is updated on deletion only")
	case r.Set.Update.Paused:
		return fmt.Errorf("the update is paused")
	case was.revision == r.Update.Name && !r.mustSeeItsVolume(was):
		return fmt.Errorf("it is on the update revision")
	case r.sameTemplate(was.pod, r.Update, a.Ordinal):
		return fmt.Errorf("it would be no other on the update revision")
	case r.index(a) < *r.Set.Update.Partition:
		return fmt.Errorf("it is below the partition")
	case unavailable > limit:
		return fmt.Errorf("%d are unavailable, %d may be", unavailable, limit)
	}
	for _, other := range r.replicas {
		if !r.Set.Parallel && other.unavailable(r.Set.MinReadySeconds, r.Now) {
			return fmt.Errorf("%s is not available", r.Set.PodName(other.ordinal))
		}
	}
	return r.mayBeNext(was, plan)
}

// mayBeNext: whoever comes before it in the asked order is updated, is on its
// way, or is acted on in the same plan.
func (r *round) mayBeNext(p pet, plan Plan) error {
	for _, other := range r.replicas {
		acted := func(b Action) bool { return b.Ordinal == other.ordinal && b.Pod != nil }
		if other.pod == nil || other.index < *r.Set.Update.Partition || !r.goesBefore(other, p) || other.terminating ||
			other.revision == r.Update.Name || slices.ContainsFunc(plan.Actions, acted) {
			continue
		}
		return fmt.Errorf("%s should be updated first", r.Set.PodName(other.ordinal))
	}
	return nil
}

func (r *round) goesBefore(a, b pet) bool {
	if selector := r.Set.Update.LeaderLast; selector != nil {
		if leadsA, leadsB := selector.Matches(labels.Set(a.pod.Labels)), selector.Matches(labels.Set(b.pod.Labels)); leadsA != leadsB {
			return leadsB
		}
	}
	if r.Set.Update.Ascending {
		return a.ordinal < b.ordinal
	}
	return a.ordinal > b.ordinal
}

func (r *round) mustSeeItsVolume(p pet) bool {
	for _, name := range claimsOf(p.pod) {
		claim := r.Claims[name]
		if claim != nil && slices.ContainsFunc(claim.Status.Conditions, func(c corev1.PersistentVolumeClaimCondition) bool {
			return c.Type == corev1.PersistentVolumeClaimFileSystemResizePending && c.Status == corev1.ConditionTrue &&
				!r.Now.Before(c.LastTransitionTime.Add(patienceWithKubelet)) && !c.LastTransitionTime.Before(p.pod.Status.StartTime)
		}) {
			return true
		}
	}
	return false
}

// sameTemplate: an override of others made the revision, and not of this pet.
func (r *round) sameTemplate(pod *corev1.Pod, other Revision, ordinal int) bool {
	own, known := r.revisionNamed(pod.Labels[apps.StatefulSetRevisionLabel])
	return known && own.Name != other.Name && len(own.overridden)+len(other.overridden) > 0 &&
		equality.Semantic.DeepEqual(own.templateFor(ordinal), other.templateFor(ordinal))
}

func (r *round) unavailableNow() int {
	count := 0
	for _, p := range r.replicas {
		if p.unavailable(r.Set.MinReadySeconds, r.Now) {
			count++
		}
	}
	return count
}
