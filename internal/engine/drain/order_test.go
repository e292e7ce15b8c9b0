package drain

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

func pod(name, kind, owner, ordinal string, more ...string) corev1.Pod {
	yes := true
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{}}}
	if owner != "" {
		p.OwnerReferences = []metav1.OwnerReference{{Kind: kind, Name: owner, UID: types.UID(owner), Controller: &yes}}
	}
	if ordinal != "" {
		p.Labels[appsv1.PodIndexLabel] = ordinal
	}
	for _, label := range more {
		p.Labels[label] = "yes"
	}
	return p
}

func TestOrder(t *testing.T) {
	leaders := Leaders{"db": labels.SelectorFromSet(labels.Set{"primary": "yes"}), "quiet": nil}
	for _, test := range []struct {
		name string
		pods []corev1.Pod
		want []string
	}{
		{"those of no set first", []corev1.Pod{pod("db-1", "PetSet", "db", "1"), pod("web", "ReplicaSet", "web", ""), pod("alone", "", "", "")}, []string{"alone", "web", "db-1"}},
		{"pets from the highest ordinal down", []corev1.Pod{pod("q-2", "StatefulSet", "q", "2"), pod("q-10", "StatefulSet", "q", "10"), pod("q-0", "StatefulSet", "q", "0")}, []string{"q-10", "q-2", "q-0"}},
		{"the leader last, whatever its ordinal", []corev1.Pod{pod("db-2", "PetSet", "db", "2", "primary"), pod("db-0", "PetSet", "db", "0"), pod("db-1", "PetSet", "db", "1")}, []string{"db-1", "db-0", "db-2"}},
		{"after the pets of all other sets", []corev1.Pod{pod("db-2", "PetSet", "db", "2", "primary"), pod("q-0", "StatefulSet", "q", "0")}, []string{"q-0", "db-2"}},
		{"the labels mean nothing elsewhere", []corev1.Pod{pod("quiet-1", "PetSet", "quiet", "1", "primary"), pod("quiet-0", "PetSet", "quiet", "0"), pod("web", "ReplicaSet", "web", "", "primary")}, []string{"web", "quiet-1", "quiet-0"}},
	} {
		var got []string
		for left := slices.Clone(test.pods); len(left) > 0; {
			next := Next(left, leaders)
			got = append(got, next.Name)
			left = slices.DeleteFunc(left, func(p corev1.Pod) bool { return p.Name == next.Name })
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, not %v", test.name, got, test.want)
		}
	}
}
