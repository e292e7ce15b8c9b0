package engine

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
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
	// A server that has been up all the while may write at the same time.
	return retry.RetryOnConflict(retry.DefaultRetry, func() error { return markAllBut(ctx, client, config.NodeName, running) })
}

func markAllBut(ctx context.Context, client kubernetes.Interface, nodeName string, running sets.Set[types.UID]) error {
	pods, err := client.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + nodeName})
	if err != nil {
		return err
	}
	for _, pod := range pods.Items {
		if running.Has(pod.UID) || !podutil.IsPodReady(&pod) {
			continue
		}
		for _, kind := range []corev1.PodConditionType{corev1.PodReady, corev1.ContainersReady} {
			podutil.UpdatePodCondition(&pod.Status, &corev1.PodCondition{
				Type: kind, Status: corev1.ConditionFalse, Reason: "NodeWasDown", Message: "the pod ended while its node was down",
			})
		}
		for i := range pod.Status.ContainerStatuses {
			pod.Status.ContainerStatuses[i].Ready = false
		}
		_, err := client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, &pod, metav1.UpdateOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("mark pod %s/%s as not ready: %w", pod.Namespace, pod.Name, err)
		}
	}
	return nil
}

// markUnreported takes back what an earlier kubelet has said of its node. A
// kubelet that finds its node Ready reports its own view only every ten seconds,
// one that does not reports it the moment that it is ready.
func markUnreported(ctx context.Context, client kubernetes.Interface, name string) error {
	nodes := client.CoreV1().Nodes()
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		node, err := nodes.Get(ctx, name, metav1.GetOptions{})
		if err != nil || !nodeReady(node) {
			return err
		}
		i := slices.IndexFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool { return c.Type == corev1.NodeReady })
		condition := &node.Status.Conditions[i]
		condition.Status, condition.LastTransitionTime = corev1.ConditionUnknown, metav1.Now()
		condition.Reason, condition.Message = "NodeWasDown", "the engine has just started; its kubelet has not reported yet"
		_, err = nodes.UpdateStatus(ctx, node, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("mark node %s as not reported: %w", name, err)
	}
	return nil
}
