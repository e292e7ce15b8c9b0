package controller

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestPodSets(t *testing.T) {
	owned, replicaSets, orphan, other := ownedPod("web-0"), ownedPod("web-0"), ownedPod("web-0"), ownedPod("web")
	replicaSets.OwnerReferences[0].Kind = "ReplicaSet"
	orphan.OwnerReferences, other.OwnerReferences = nil, nil
	for _, c := range []struct {
		pod  *corev1.Pod
		want string
	}{{owned, "[ns/db]"}, {orphan, "[ns/web]"}, {replicaSets, "[]"}, {other, "[]"}} {
		if got := fmt.Sprint(podSets(ownerSets(statefulSets{}), c.pod)); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}
