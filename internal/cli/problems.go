package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// patience is how long a pod may take to start before that is called a problem.
const patience = 15 * time.Second

// problems says what is wrong and why, each in one sentence that names the object.
func problems(observed observation) []string {
	found := []string{}
	if observed.serverTrouble != "" {
		found = append(found, observed.serverTrouble)
	}
	for _, node := range observed.nodes {
		if !describeNode(node).Ready {
			found = append(found, fmt.Sprintf("node %s is not Ready: %s", node.Name, nodeTrouble(node)))
		}
	}
	for _, node := range observed.nodes {
		if trouble := fenceTrouble(node, observed.now); trouble != "" {
			found = append(found, trouble)
		}
	}
	for _, claim := range observed.claims {
		if claim.Status.Phase == corev1.ClaimLost {
			found = append(found, fmt.Sprintf("claim %s/%s has lost its volume", claim.Namespace, claim.Name))
		}
		for _, c := range claim.Status.Conditions {
			if (c.Type == v1alpha1.VolumeAbnormal || c.Type == v1alpha1.PerformanceBreached) && c.Status == corev1.ConditionTrue {
				found = append(found, fmt.Sprintf("the volume of claim %s/%s: %s", claim.Namespace, claim.Name, c.Message))
			}
		}
	}
	for _, set := range observed.sets {
		if trouble := setTrouble(set); trouble != "" {
			found = append(found, fmt.Sprintf("%s %s/%s is stuck: %s", strings.ToLower(set.Kind), set.Namespace, set.Name, trouble))
		}
	}
	for _, pod := range observed.pods {
		if trouble := podTrouble(pod, observed); trouble != "" {
			found = append(found, fmt.Sprintf("pod %s/%s %s", pod.Namespace, pod.Name, trouble))
		}
	}
	return found
}

// setTrouble is what keeps a set from getting on, unless that is a pod's trouble,
// of which there is more to say than its set knows.
func setTrouble(set *v1alpha1.PetSet) string {
	stuck := meta.FindStatusCondition(set.Status.Conditions, v1alpha1.ConditionStuck)
	switch {
	case stuck == nil || stuck.Status != metav1.ConditionTrue:
		return ""
	case stuck.Reason == v1alpha1.ReasonImage, stuck.Reason == v1alpha1.ReasonCrash, stuck.Reason == v1alpha1.ReasonUnschedulable:
		return ""
	}
	return stuck.Message
}

func nodeTrouble(node corev1.Node) string {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady && condition.Message != "" {
			return condition.Message
		}
	}
	return "its kubelet has not reported yet"
}

// podTrouble finishes the sentence "pod NAME …", or is empty when all is well.
// The first rule that matches is the cause that a person should look at first.
func podTrouble(pod corev1.Pod, observed observation) string {
	if pod.Status.Phase == corev1.PodSucceeded || podReady(pod) {
		return ""
	}
	if pod.DeletionTimestamp != nil {
		// deletionTimestamp lies at the end of the grace period.
		if late := observed.now.Sub(pod.DeletionTimestamp.Time); late > patience {
			return fmt.Sprintf("should have ended %s ago and has not", late.Round(time.Second))
		}
		return ""
	}
	if message := unschedulable(pod); message != "" {
		return "finds no node: " + message
	}
	switch reason, message := waitingFor(pod); reason {
	case "", "ContainerCreating":
	case "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull":
		return "lacks its image: " + message
	case "CrashLoopBackOff":
		return "crashes again and again: " + lastExit(pod)
	default:
		return "cannot start (" + reason + "): " + message
	}
	if ended := lastExit(pod); ended != "" && pod.Status.Phase != corev1.PodFailed {
		return "is not ready: " + ended
	}
	if pod.Status.Phase == corev1.PodFailed {
		return "has failed: " + pod.Status.Reason + " " + pod.Status.Message
	}
	if observed.now.Sub(pod.CreationTimestamp.Time) < patience {
		return ""
	}
	if message := lastWarning(pod, observed.events); message != "" {
		return "is not ready: " + message
	}
	return "is not ready"
}

func unschedulable(pod corev1.Pod) string {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			return condition.Message
		}
	}
	return ""
}

func lastExit(pod corev1.Pod) string {
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		end := status.LastTerminationState.Terminated
		if end == nil {
			end = status.State.Terminated
		}
		if end != nil && end.ExitCode != 0 {
			return fmt.Sprintf("container %s ended with status %d (%s), %d restarts; see: mainstay kubectl logs -n %s %s -c %s --previous",
				status.Name, end.ExitCode, end.Reason, status.RestartCount, pod.Namespace, pod.Name, status.Name)
		}
	}
	return ""
}

// lastWarning is the newest warning event about the pod.
func lastWarning(pod corev1.Pod, events []corev1.Event) string {
	about := slices.DeleteFunc(slices.Clone(events), func(event corev1.Event) bool { return event.InvolvedObject.UID != pod.UID })
	if len(about) == 0 {
		return ""
	}
	newest := slices.MaxFunc(about, func(a, b corev1.Event) int { return a.LastTimestamp.Compare(b.LastTimestamp.Time) })
	return newest.Message
}
