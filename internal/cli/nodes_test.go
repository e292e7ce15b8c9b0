package cli

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/engine"
)

func TestNodesTable(t *testing.T) {
	now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	node := func(name, address string, ready corev1.ConditionStatus, server, cordoned bool) corev1.Node {
		n := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(now.Add(-3 * time.Hour))}}
		if server {
			n.Labels = map[string]string{engine.ServerLabel: ""}
		}
		n.Spec.Unschedulable = cordoned
		n.Status.NodeInfo.KubeletVersion = "v1.36.3"
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}
		if address != "" {
			n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: address}}
		}
		return n
	}
	fenced := node("e", "192.0.2.5", corev1.ConditionUnknown, false, false)
	fenced.Status.Conditions = append(fenced.Status.Conditions, corev1.NodeCondition{
		Type: v1alpha1.NodeFenced, Status: corev1.ConditionTrue, Message: "2 of 3 members refuse it", LastTransitionTime: metav1.NewTime(now.Add(-5 * time.Minute)),
	})
	held := node("f", "192.0.2.6", corev1.ConditionUnknown, false, false)
	held.Status.Conditions = append(held.Status.Conditions,
		corev1.NodeCondition{Type: v1alpha1.NodeFenced, Status: corev1.ConditionFalse},
		corev1.NodeCondition{Type: v1alpha1.NodeFenceHeld, Status: corev1.ConditionTrue, Message: "2 of 3 nodes seem lost"})
	pod := func(node string, phase corev1.PodPhase) corev1.Pod {
		return corev1.Pod{Spec: corev1.PodSpec{NodeName: node}, Status: corev1.PodStatus{Phase: phase}}
	}
	pool := func(node, name string) unstructured.Unstructured {
		return unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"nodeName": node, "name": name}}}
	}
	rows := nodeRows(
		[]corev1.Node{node("c", "", corev1.ConditionUnknown, false, false), node("b", "192.0.2.2", corev1.ConditionTrue, false, true), node("d", "192.0.2.1", corev1.ConditionTrue, true, false), fenced, held},
		[]corev1.Pod{pod("b", corev1.PodRunning), pod("b", corev1.PodPending), pod("b", corev1.PodSucceeded), pod("d", corev1.PodFailed), pod("", corev1.PodPending)},
		[]unstructured.Unstructured{pool("b", "fast"), pool("b", "default"), pool("d", "default")}, now)
	var out strings.Builder
	if err := printNodes(&out, rows); err != nil {
		t.Fatal(err)
	}
	const want = `NAME   ROLE     STATE                  VERSION   ADDRESS     PODS   POOLS           AGE
d      server   Ready                  v1.36.3   192.0.2.1   0      default         3h
b      node     Ready, takes no pods   v1.36.3   192.0.2.2   2      default, fast   3h
c      node     not Ready              v1.36.3   -           0      -               3h
e      node     fenced                 v1.36.3   192.0.2.5   0      -               3h
f      node     not Ready              v1.36.3   192.0.2.6   0      -               3h

node e has been fenced for 5m, and its pets may run elsewhere: 2 of 3 members refuse it

node f seems lost, and is not fenced: 2 of 3 nodes seem lost
`
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
