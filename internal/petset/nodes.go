package petset

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// Fenced tells that the node is fenced: no pet runs there.
func Fenced(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == v1alpha1.FencedTaint })
}
