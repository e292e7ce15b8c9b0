package controller

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	apps "k8s.io/api/apps/v1"

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
			known.of(set)[pod] = petset.FactsOf(pod)
		}
	}
	expect := func(when string, want int) {
		t.Helper()
		if got := len(known.of(set)); got != want {
			t.Errorf("%s: %d pods are known, expected %d", when, got, want)
		}
	}

	learn(present, &corev1.Pod{})
	forgetFormer(known.of(set), []*corev1.Pod{present})
	expect("one of two is gone", 2)
	learn(&corev1.Pod{})
	forgetFormer(known.of(set), []*corev1.Pod{present})
	expect("two of three are gone", 1)
	if _, ok := known.of(set)[present]; !ok {
		t.Error("the one that is present was forgotten")
	}

	set = set.DeepCopy()
	set.UID = "2"
	expect("another set of the same name", 0)
	learn(present)
	known.forget(types.NamespacedName{Namespace: "default", Name: "web"})
	expect("the set is gone", 0)
}
