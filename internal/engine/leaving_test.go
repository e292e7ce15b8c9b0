package engine

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestToTakeOut(t *testing.T) {
	for _, test := range []struct {
		name, leave, leaving string
		want                 bool
	}{
		{"no wish", "", "", false},
		{"a wish", "1", "", true},
		{"under way when the server ended", "1", `{"id":"1","doing":"moving"}`, true},
		{"done", "1", `{"id":"1"}`, false},
		{"refused", "1", `{"id":"1","refused":"no"}`, false},
		{"a new wish after that", "2", `{"id":"1","refused":"no"}`, true},
		{"taken back", "", `{"id":"1","doing":"moving"}`, false},
		{"an answer that cannot be read", "1", `{`, true},
	} {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{leaveAnnotation: test.leave, leavingAnnotation: test.leaving}}}
		if got := toTakeOut(node); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

func TestServerStays(t *testing.T) {
	server := func(name string, ready corev1.ConditionStatus, leave, leaving string) corev1.Node {
		return corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{ServerLabel: ""}, Annotations: map[string]string{leaveAnnotation: leave, leavingAnnotation: leaving}},
			Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}},
		}
	}
	worker := server("w", corev1.ConditionTrue, "", "")
	worker.Labels = nil
	for _, test := range []struct {
		name  string
		other corev1.Node
		want  bool
	}{
		{"a server", server("b", corev1.ConditionTrue, "", ""), true},
		{"itself", server("a", corev1.ConditionTrue, "", ""), false},
		{"no server", worker, false},
		{"a server that is away", server("b", corev1.ConditionUnknown, "", ""), false},
		{"one that wants to leave", server("b", corev1.ConditionTrue, "1", ""), false},
		{"one that is leaving", server("b", corev1.ConditionTrue, "1", `{"id":"1","doing":"moving"}`), false},
		{"one that is about to be gone", server("b", corev1.ConditionTrue, "1", `{"id":"1"}`), false},
		{"one that was refused", server("b", corev1.ConditionTrue, "1", `{"id":"1","refused":"no"}`), true},
		{"one that was refused, and asks again", server("b", corev1.ConditionTrue, "2", `{"id":"1","refused":"no"}`), false},
	} {
		if got := serverStays("a", []corev1.Node{server("a", corev1.ConditionTrue, "1", ""), test.other}); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

func TestVolumesOn(t *testing.T) {
	node := func(name, zone string) corev1.Node {
		return corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"host": name, "zone": zone}}}
	}
	volume := func(name, claim, key string, values ...string) corev1.PersistentVolume {
		v := corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if claim != "" {
			v.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "default", Name: claim}
		}
		if key != "" {
			v.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: key, Operator: corev1.NodeSelectorOpIn, Values: values}},
			}}}}
		}
		return v
	}
	held := volumesOn("a", []corev1.Node{node("a", "1"), node("b", "1"), node("c", "2")}, []corev1.PersistentVolume{
		volume("here", "data-0", "host", "a"),
		volume("unclaimed", "", "host", "a"),
		volume("there", "data-1", "host", "b"),
		volume("on two", "data-2", "host", "a", "b"),
		volume("in a zone of two", "data-3", "zone", "1"),
		volume("anywhere", "data-4", ""),
	})
	if want := []string{"default/data-0", "volume unclaimed"}; !slices.Equal(held, want) {
		t.Errorf("%v, not %v", held, want)
	}
}
