package cli

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// patience is how long a pod may take to start before that is called a problem.
const patience = 15 * time.Second

// problems says what is wrong and why, each in one sentence that names the object.
func problems(observed observation) []string {
	found := []string{}
	for _, node := range observed.nodes {
		if !describeNode(node).Ready {
			found = append(found, fmt.Sprintf("node %s is not Ready: %s", node.Name, nodeTrouble(node)))
		}
	}
	for _, claim := range observed.claims {
		if claim.Status.Phase == corev1.ClaimLost {
			found = append(found, fmt.Sprintf("claim %s/%s has lost its volume", claim.Namespace, claim.Name))
		}
	}
	for _, pod := range observed.pods {
		if trouble := podTrouble(pod, observed); trouble != "" {
			found = append(found, fmt.Sprintf("pod %s/%s %s", pod.Namespace, pod.Name, trouble))
		}
	}
	return found
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
