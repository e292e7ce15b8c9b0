package petset

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Fenced tells that the node bears Kubernetes' own taint for one that is surely down
// (KEP-2268). Nothing runs there, and it writes to no volume.
func Fenced(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeOutOfService })
}
