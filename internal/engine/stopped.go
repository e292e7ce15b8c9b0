package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
)

// markStopped tells the API which of this node's pods ended while no engine ran:
// by `down`, or with the machine. Until kubelet has looked at each, they would
// count as Ready, be in DNS and get requests.
func markStopped(ctx context.Context, client kubernetes.Interface, config Config, paths Paths) error {
	running, err := runningPods(ctx, config, paths)
	if err != nil {
		return fmt.Errorf("ask the container runtime what runs: %w", err)
	}
	pods, err := client.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + config.NodeName})
	if err != nil {
		return err
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		if running.Has(pod.UID) || !podutil.IsPodReady(pod) {
			continue
		}
		if err := markPodStopped(ctx, client, pod); err != nil {
			return fmt.Errorf("mark pod %s/%s as not ready: %w", pod.Namespace, pod.Name, err)
		}
	}
	return nil
}

// markPodStopped bears that others change the pod meanwhile, or delete it: its node may
// have been fenced.
func markPodStopped(ctx context.Context, client kubernetes.Interface, listed *corev1.Pod) error {
	pods := client.CoreV1().Pods(listed.Namespace)
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		pod, err := pods.Get(ctx, listed.Name, metav1.GetOptions{})
		if err != nil || pod.UID != listed.UID {
			return err
		}
		for _, kind := range []corev1.PodConditionType{corev1.PodReady, corev1.ContainersReady} {
			podutil.UpdatePodCondition(&pod.Status, &corev1.PodCondition{
				Type: kind, Status: corev1.ConditionFalse, Reason: "NodeWasDown", Message: "the pod ended while its node was down",
			})
		}
		for i := range pod.Status.ContainerStatuses {
			pod.Status.ContainerStatuses[i].Ready = false
		}
		_, err = pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{})
		return err
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// markUnreported takes back what an earlier kubelet has said of its node. A
// kubelet that finds its node Ready reports its own view only every ten seconds,
// one that does not reports it the moment that it is ready.
func markUnreported(ctx context.Context, client kubernetes.Interface, node *corev1.Node) error {
	i := slices.IndexFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool { return c.Type == corev1.NodeReady })
	if i < 0 || node.Status.Conditions[i].Status != corev1.ConditionTrue {
		return nil
	}
	condition := node.Status.Conditions[i]
	condition.Status, condition.LastTransitionTime = corev1.ConditionUnknown, metav1.Now()
	condition.Reason, condition.Message = "NodeWasDown", "the engine has just started; its kubelet has not reported yet"
	// A patch: a judge may change other conditions meanwhile.
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"conditions": []corev1.NodeCondition{condition}}})
	if err == nil {
		_, err = client.CoreV1().Nodes().PatchStatus(ctx, node.Name, patch)
	}
	if err != nil {
		return fmt.Errorf("mark node %s as not reported: %w", node.Name, err)
	}
	return nil
}
