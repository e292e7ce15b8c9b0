package engine

import (
	"context"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// ensureNode returns this machine's Node with its range of pod addresses, so that
// the pod network stands before kubelet asks for it; kubelet then finds the Node and
// fills in the rest.
func ensureNode(ctx context.Context, client kubernetes.Interface, config Config, paths Paths) (*corev1.Node, error) {
	if known := knownNodeName(paths); known != "" && known != config.NodeName {
		return nil, belongsTo(known, config.NodeName)
	}
	node, err := findNode(ctx, client, config)
	if err != nil {
		return nil, err
	}
	return node, writeFile(paths.nodeName(), []byte(config.NodeName+"\n"))
}

func belongsTo(known, name string) error {
	return fmt.Errorf("the data directory belongs to node %q, not to %q: start with --node-name %s", known, name, known)
}

func newNode(name string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}}}
}

func findNode(ctx context.Context, client kubernetes.Interface, config Config) (*corev1.Node, error) {
	if config.Joined() {
		return findJoined(ctx, client, newNode(config.NodeName))
	}
	return findServer(ctx, client, config)
}

// ServerLabel marks a machine that is a server of the cluster, by kubeadm's label.
const ServerLabel = "node-role.kubernetes.io/control-plane"

// IsServer tells whether a node is one.
func IsServer(node *corev1.Node) bool {
	_, server := node.Labels[ServerLabel]
	return server
}

// findServer gets the Node of a server, or makes it.
func findServer(ctx context.Context, client kubernetes.Interface, config Config) (*corev1.Node, error) {
	nodes := client.CoreV1().Nodes()
	list, err := nodes.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var others []string
	for _, node := range list.Items {
		switch {
		case node.Name == config.NodeName && IsServer(&node) && node.Spec.PodCIDR == "": // killed while it waited for it
			return findJoined(ctx, client, &node)
		case node.Name == config.NodeName && IsServer(&node):
			return &node, nil
		case node.Name == config.NodeName: // an older engine has made it
			label := fmt.Appendf(nil, `{"metadata":{"labels":{%q:""}}}`, ServerLabel)
			return nodes.Patch(ctx, node.Name, types.MergePatchType, label, metav1.PatchOptions{})
		case IsServer(&node):
			others = append(others, node.Name)
		}
	}
	node := newNode(config.NodeName)
	node.Labels[ServerLabel] = ""
	switch {
	case len(others) > 0 && config.Etcd.Configured():
		return findJoined(ctx, client, node)
	case len(others) > 0:
		return nil, belongsTo(others[0], config.NodeName)
	}
	// The controller that gives out ranges does not run yet.
	if node.Spec.PodCIDR, err = freeRange(list.Items); err != nil {
		return nil, err
	}
	node.Spec.PodCIDRs = []string{node.Spec.PodCIDR}
	return nodes.Create(ctx, node, metav1.CreateOptions{})
}

// freeRange is the first share of PodCIDR that no node has.
func freeRange(nodes []corev1.Node) (string, error) {
	taken := sets.New[string]()
	for _, node := range nodes {
		taken.Insert(node.Spec.PodCIDR)
	}
	start := netip.MustParsePrefix(PodCIDR).Addr().As4()
	for third := range 256 {
		start[2] = byte(third)
		if share := netip.PrefixFrom(netip.AddrFrom4(start), 24).String(); !taken.Has(share) {
			return share, nil
		}
	}
	return "", fmt.Errorf("all of %s is given to other nodes", PodCIDR)
}

// findJoined gets the Node of a machine that has joined others, or makes it as wanted,
// and waits until the server that leads has given it a range.
func findJoined(ctx context.Context, client kubernetes.Interface, wanted *corev1.Node) (*corev1.Node, error) {
	nodes := client.CoreV1().Nodes()
	_, err := nodes.Get(ctx, wanted.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = nodes.Create(ctx, wanted, metav1.CreateOptions{})
	}
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return nil, err
	}
	var node *corev1.Node
	err = waitForNode(ctx, client, wanted.Name, func(now *corev1.Node) bool { node = now; return now.Spec.PodCIDR != "" })
	return node, err
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

// isStarting: the node has just started, and its taint will go. Others are somebody's
// wish, as that of a node which was drained.
func isStarting(taint corev1.Taint) bool {
	switch taint.Key {
	case corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable, corev1.TaintNodeNetworkUnavailable:
		return true
	}
	return false
}
