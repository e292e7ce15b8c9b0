package engine

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestFreeRange(t *testing.T) {
	nodes := func(ranges ...string) (nodes []corev1.Node) {
		for _, pods := range ranges {
			nodes = append(nodes, corev1.Node{Spec: corev1.NodeSpec{PodCIDR: pods}})
		}
		return nodes
	}
	for _, test := range []struct {
		name  string
		nodes []corev1.Node
		want  string
	}{
		{"the first node", nil, "10.42.0.0/24"},
		{"beside others", nodes("10.42.1.0/24", "10.42.0.0/24", "10.42.3.0/24"), "10.42.2.0/24"},
		{"beside one that has none yet", nodes(""), "10.42.0.0/24"},
	} {
		if got, err := freeRange(test.nodes); err != nil || got != test.want {
			t.Errorf("%s: %q, %v; want %q", test.name, got, err, test.want)
		}
	}
}
