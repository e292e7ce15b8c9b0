package cli

import (
	"bytes"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/engine"
)

func reportedSet(kind, name string, replicas int32, conditions ...metav1.Condition) *v1alpha1.PetSet {
	set := &v1alpha1.PetSet{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(kind + name)}}
	set.Kind = kind
	set.Spec.Replicas, set.Status.Conditions = ptr.To(replicas), conditions
	return set
}

func petOf(set *v1alpha1.PetSet, ordinal string) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: set.Namespace, Name: set.Name + "-" + ordinal, Labels: map[string]string{"apps.kubernetes.io/pod-index": ordinal},
			OwnerReferences: []metav1.OwnerReference{{Kind: set.Kind, UID: set.UID, Controller: ptr.To(true)}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
	}
}

// Sets of both kinds are shown, each with its own pets, and PetSets with what they
// wait for.
func TestReportOfSets(t *testing.T) {
	pet := reportedSet("PetSet", "db", 2,
		metav1.Condition{Type: v1alpha1.ConditionProgressing, Status: metav1.ConditionTrue, Message: "db-1: its pod is not ready"},
		metav1.Condition{Type: v1alpha1.ConditionStuck, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonClaim, Message: "db-1 has no room"})
	stateful := reportedSet("StatefulSet", "web", 1)
	stateful.Spec.ServiceName = "names"
	observed := observation{
		engine: engine.State{Ready: true}, now: now, sets: []*v1alpha1.PetSet{pet, stateful},
		pods: []corev1.Pod{petOf(stateful, "0"), petOf(pet, "1"), petOf(pet, "0"), {ObjectMeta: metav1.ObjectMeta{Name: "other"}, Status: corev1.PodStatus{Phase: corev1.PodRunning}}},
	}
	var out bytes.Buffer
	if err := describe(observed).print(&out); err != nil {
		t.Fatal(err)
	}
	rest := out.String()
	for _, part := range []string{
		"1 outside of sets, 0 of them Ready",
		"petset default/db: 0 of 2 Ready\n  waits for db-1: its pod is not ready\n", "  db-0 ", "  db-1 ",
		"statefulset default/web: 0 of 1 Ready\n", "  web-0 ", "web-0.names.default.svc.cluster.local",
		"petset default/db is stuck: db-1 has no room",
	} {
		_, after, found := strings.Cut(rest, part)
		if !found {
			t.Fatalf("%q is missing, or not in its place:\n%s", part, out.String())
		}
		rest = after
	}
	if waiting := missingPets(observed); waiting != "" {
		t.Errorf("all pods are ready, but it waits: %s", waiting)
	}
	observed.pods = observed.pods[:2]
	if waiting := missingPets(observed); waiting != "waiting for petset default/db: 1 of 2 Ready" {
		t.Errorf("one is missing, and it says %q", waiting)
	}
}

// What a pod's own entry says better is not said twice.
func TestSetTrouble(t *testing.T) {
	for reason, said := range map[string]bool{
		v1alpha1.ReasonImage: false, v1alpha1.ReasonCrash: false, v1alpha1.ReasonUnschedulable: false,
		v1alpha1.ReasonClaim: true, v1alpha1.ReasonDependency: true, v1alpha1.ReasonDrain: true, v1alpha1.ReasonInvalid: true, v1alpha1.ReasonRefused: true,
	} {
		condition := metav1.Condition{Type: v1alpha1.ConditionStuck, Status: metav1.ConditionTrue, Reason: reason, Message: "why"}
		if got := setTrouble(reportedSet("PetSet", "db", 1, condition)); (got == "why") != said {
			t.Errorf("%s: %q", reason, got)
		}
		condition.Status = metav1.ConditionFalse
		if got := setTrouble(reportedSet("PetSet", "db", 1, condition)); got != "" {
			t.Errorf("not stuck: %q", got)
		}
	}
}
