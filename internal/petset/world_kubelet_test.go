package petset

import (
	"fmt"
	"slices"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
)

// What a node does with its pods.

// kubeletActs moves a pod on; to its ruin too, when faults are allowed.
func (w *world) kubeletActs(name string, faults bool) {
	if !w.ours(w.pods.truth()[name]) {
		return
	}
	pod, changed := w.pods.truth()[name].DeepCopy(), true
	switch {
	case pod.Spec.NodeName == "":
		changed = w.schedule(pod)
	case w.nodes[pod.Spec.NodeName].down:
		changed = w.nodeIsLost(pod)
	case pod.DeletionTimestamp != nil && pod.Status.Phase == corev1.PodRunning && w.chance(3):
		pod.Status.Phase, pod.Status.Conditions = oneOf(w, corev1.PodFailed, corev1.PodSucceeded), nil
	case pod.DeletionTimestamp != nil:
		delete(w.processes, name)
		w.say("%s is gone", name)
		w.removePod(name)
		return
	case pod.Status.Phase != corev1.PodPending && pod.Status.Phase != corev1.PodRunning:
		changed = false
	case faults && w.podBreaks(pod):
	case pod.Status.Phase == corev1.PodPending:
		w.startPod(pod)
	default:
		changed = w.syncPod(pod, faults)
	}
	if changed {
		w.putPod(pod)
	}
}

// podBreaks: it ends, its container crashes, or somebody takes off a label.
func (w *world) podBreaks(pod *corev1.Pod) bool {
	switch w.rand.IntN(60 * w.calm) {
	case 0, 1:
		w.say("%s fails", pod.Name)
		pod.Status.Phase, pod.Status.Conditions = corev1.PodFailed, nil
		delete(w.processes, pod.Name)
	case 2, 3:
		if pod.Status.Phase != corev1.PodRunning {
			return false
		}
		w.say("%s crashes", pod.Name)
		w.setReady(pod, corev1.ConditionFalse)
		w.restart(pod)
	case 4:
		w.say("somebody takes labels off %s", pod.Name)
		delete(pod.Labels, oneOf(w, apps.StatefulSetPodNameLabel, apps.StatefulSetRevisionLabel))
	default:
		return false
	}
	return true
}

// startPod makes the pod's containers run, on what it is now.
func (w *world) startPod(pod *corev1.Pod) {
	w.witness.starts(w, pod)
	w.processes[pod.Name] = pod.UID
	pod.Status.Phase, pod.Status.StartTime, pod.Status.ObservedGeneration = corev1.PodRunning, &metav1.Time{Time: w.now}, pod.Generation
	container := &pod.Spec.Containers[0]
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: container.Name, Image: container.Image, ContainerID: w.unique(),
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}, Resources: container.Resources.DeepCopy()}}
	w.growUnder(pod, true)
}

// syncPod brings a running pod to what it should be, a step at a time: kubelet
// reports that it has seen a change before it has carried it out.
func (w *world) syncPod(pod *corev1.Pod, faults bool) (changed bool) {
	status, container := &pod.Status.ContainerStatuses[0], &pod.Spec.Containers[0]
	switch {
	case w.growUnder(pod, false):
		return false // the claims alone
	case pod.Status.ObservedGeneration < pod.Generation:
		pod.Status.ObservedGeneration = pod.Generation
		if !resourcesDone(pod) {
			w.answerResize(pod)
		}
	case status.Image != container.Image && status.State.Running != nil:
		status.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{}}
		w.setReady(pod, corev1.ConditionFalse)
	case status.State.Running == nil:
		w.restart(pod)
	case !resourcesDone(pod):
		return (!faults || w.chance(2)) && w.resizeGoesOn(pod)
	case pod.Annotations["version"] != brokenVersion && !podutil.IsPodReady(pod):
		return w.setReady(pod, corev1.ConditionTrue)
	default:
		return false
	}
	return true
}

// restart runs the container anew, as what it is by now.
func (w *world) restart(pod *corev1.Pod) {
	status, container := &pod.Status.ContainerStatuses[0], &pod.Spec.Containers[0]
	*status = corev1.ContainerStatus{Name: container.Name, Image: container.Image, ContainerID: w.unique(), Resources: status.Resources,
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
}

func resourcesDone(pod *corev1.Pod) bool {
	has, wants := pod.Status.ContainerStatuses[0].Resources, &pod.Spec.Containers[0].Resources
	return has.Requests.Cpu().Equal(*wants.Requests.Cpu()) && has.Limits.Cpu().Equal(*wants.Limits.Cpu())
}

// answerResize tells of a resize in the moment in which it is seen.
func (w *world) answerResize(pod *corev1.Pod) {
	dropPodCondition(pod, corev1.PodResizePending)
	switch {
	case !w.fits(pod):
		setPodCondition(pod, corev1.PodCondition{Type: corev1.PodResizePending, Status: corev1.ConditionTrue, Reason: corev1.PodReasonInfeasible})
	case w.chance(3):
		setPodCondition(pod, corev1.PodCondition{Type: corev1.PodResizePending, Status: corev1.ConditionTrue, Reason: corev1.PodReasonDeferred})
	default:
		setPodCondition(pod, corev1.PodCondition{Type: corev1.PodResizeInProgress, Status: corev1.ConditionTrue})
	}
}

func (w *world) resizeGoesOn(pod *corev1.Pod) (changed bool) {
	switch {
	case !w.fits(pod):
		return false
	case dropPodCondition(pod, corev1.PodResizePending):
		setPodCondition(pod, corev1.PodCondition{Type: corev1.PodResizeInProgress, Status: corev1.ConditionTrue})
	default:
		dropPodCondition(pod, corev1.PodResizeInProgress)
		pod.Status.ContainerStatuses[0].Resources = pod.Spec.Containers[0].Resources.DeepCopy()
	}
	return true
}

func (w *world) setReady(pod *corev1.Pod, status corev1.ConditionStatus) bool {
	return setPodCondition(pod, corev1.PodCondition{Type: corev1.PodReady, Status: status, LastTransitionTime: metav1.NewTime(w.now)})
}

func setPodCondition(pod *corev1.Pod, condition corev1.PodCondition) bool {
	dropPodCondition(pod, condition.Type)
	pod.Status.Conditions = append(pod.Status.Conditions, condition)
	return true
}

func dropPodCondition(pod *corev1.Pod, kind corev1.PodConditionType) (had bool) {
	before := len(pod.Status.Conditions)
	pod.Status.Conditions = slices.DeleteFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == kind })
	return len(pod.Status.Conditions) < before
}

// physically tells what of the pod is not yet what its spec says.
func physically(pod *corev1.Pod) string {
	if len(pod.Status.ContainerStatuses) == 0 {
		return "it does not run"
	}
	status, container := pod.Status.ContainerStatuses[0], pod.Spec.Containers[0]
	switch {
	case status.State.Running == nil:
		return "its container does not run"
	case status.Image != container.Image:
		return fmt.Sprintf("it runs %s, and should run %s", status.Image, container.Image)
	case !resourcesDone(pod):
		return "it has other resources than it should"
	}
	return ""
}
