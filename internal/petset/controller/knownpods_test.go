package controller

import (
	"maps"
	"testing"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mainstay-io/mainstay/internal/petset"
)

// What is remembered is of the set that is there now, and not of one that had its
// name; and what is gone is forgotten, when there is more of it than there is of
// what is present.
func TestKnownPods(t *testing.T) {
	known := &knownPods{sets: map[types.NamespacedName]knownSet{}}
	set := &apps.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web", UID: "1"}}
	present := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web-0"}}
	learn := func(pods ...*corev1.Pod) {
		for _, pod := range pods {
			known.of(set).saw(pod)
		}
	}
	expect := func(when string, want int) {
		t.Helper()
		if got := len(known.of(set).pods); got != want {
			t.Errorf("%s: %d pods are known, expected %d", when, got, want)
		}
	}

	learn(present, &corev1.Pod{})
	forgetFormer(known.of(set).pods, []*corev1.Pod{present})
	expect("one of two is gone", 2)
	learn(&corev1.Pod{})
	forgetFormer(known.of(set).pods, []*corev1.Pod{present})
	expect("two of three are gone", 1)
	if _, ok := known.of(set).pods[present]; !ok {
		t.Error("the one that is present was forgotten")
	}

	set = set.DeepCopy()
	set.UID = "2"
	expect("another set of the same name", 0)
	learn(present)
	known.forget(types.NamespacedName{Namespace: "default", Name: "web"})
	expect("the set is gone", 0)
}

// What matters of a pod that is gone is on which node it was, until its pet has
// another one, or is scaled away.
func TestFailedOver(t *testing.T) {
	known := knownSet{pods: factsByPod{}, nodes: map[string]string{}}
	on := func(name, node string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PodSpec{NodeName: node}}
	}
	set := petset.Set{Name: "web", Replicas: 3}
	expect := func(when string, set petset.Set, want map[string]string, present ...*corev1.Pod) {
		t.Helper()
		if got := known.failedOver(set, present, func(node string) bool { return node == "lost" }); !maps.Equal(got, want) {
			t.Errorf("%s: %v, expected %v", when, got, want)
		}
	}
	zero, one, two := on("web-0", "lost"), on("web-1", "other"), on("web-2", "lost")
	for _, pod := range []*corev1.Pod{zero, one, two} {
		known.saw(pod)
	}
	expect("all are there", set, nil, zero, one, two)
	expect("all are gone", set, map[string]string{"web-0": "lost", "web-2": "lost"})
	expect("in a set without order", petset.Set{Name: "web", Replicas: 3, Parallel: true}, nil)
	known.saw(on("web-0", ""))
	expect("one has a new pod, which is gone, too", set, map[string]string{"web-2": "lost"})
	expect("one is scaled away", petset.Set{Name: "web", Replicas: 1}, nil)
	expect("and wanted again", set, nil)
}
