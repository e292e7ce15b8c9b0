package engine

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// firstPodRange is the share of PodCIDR that the first node gets.
const firstPodRange = "10.42.0.0/24"

// ensureNode returns this machine's Node. The first node of a cluster is made
// here, with its pod range, so that the pod network stands before kubelet asks
// for it; kubelet then finds the Node and fills in the rest.
func ensureNode(ctx context.Context, client kubernetes.Interface, paths Paths, name string) (*corev1.Node, error) {
	node, err := findNode(ctx, client, name)
	if err != nil {
		return nil, err
	}
	return node, writeFile(paths.nodeName(), []byte(name+"\n"))
}

func findNode(ctx context.Context, client kubernetes.Interface, name string) (*corev1.Node, error) {
	node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		return node, err
	}
	others, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(others.Items) > 0 {
		return nil, fmt.Errorf("the data directory belongs to node %q, not to %q: start with --node-name %s",
			others.Items[0].Name, name, others.Items[0].Name)
	}
	return client.CoreV1().Nodes().Create(ctx, &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}},
		Spec:       corev1.NodeSpec{PodCIDR: firstPodRange, PodCIDRs: []string{firstPodRange}},
	}, metav1.CreateOptions{})
}

// waitForNode returns when the condition holds for the node.
func waitForNode(ctx context.Context, client kubernetes.Interface, name string, holds func(*corev1.Node) bool) error {
	selector := fields.OneTermEqualSelector("metadata.name", name).String()
	nodes := client.CoreV1().Nodes()
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.FieldSelector = selector
			return nodes.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.FieldSelector = selector
			return nodes.Watch(ctx, options)
		},
	}
	_, err := watchtools.UntilWithSync(ctx, source, &corev1.Node{}, nil, func(event watch.Event) (bool, error) {
		node, ok := event.Object.(*corev1.Node)
		return ok && event.Type != watch.Deleted && holds(node), nil
	})
	return err
}

func nodeReady(node *corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}
