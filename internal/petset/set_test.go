package petset

import (
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

func TestSplitOrdinal(t *testing.T) {
	for _, c := range []struct {
		name    string
		parent  string
		ordinal int
		ok      bool
	}{
		{"web-0", "web", 0, true},
		{"web-12", "web", 12, true},
		{"my-web-3", "my-web", 3, true},
		{"web-2147483647", "web", 2147483647, true},
		{"web-2147483648", "", 0, false},
		{"web-01", "", 0, false},
		{"web-+1", "", 0, false},
		{"web--1", "web-", 1, true},
		{"web-", "", 0, false},
		{"web", "", 0, false},
		{"web-x", "", 0, false},
		{"", "", 0, false},
	} {
		parent, ordinal, ok := SplitOrdinal(c.name)
		if parent != c.parent || ordinal != c.ordinal || ok != c.ok {
			t.Errorf("%q: %q, %d, %v", c.name, parent, ordinal, ok)
		}
	}
}

func TestIsMember(t *testing.T) {
	set := Set{Namespace: "ns", Name: "web"}
	for name, want := range map[string]bool{"ns/web-0": true, "ns/web-9": true, "other/web-0": false, "ns/web-x-0": false, "ns/we-0": false, "ns/web-00": false} {
		namespace, pod, _ := strings.Cut(name, "/")
		if got := set.IsMember(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: pod}}); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestFromStatefulSet(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*apps.StatefulSetSpec)
		check  func(Set) bool
		fails  string
	}{
		{"no selector", func(s *apps.StatefulSetSpec) { s.Selector = nil }, nil, "spec.selector: it is empty"},
		{"a selector of everything", func(s *apps.StatefulSetSpec) { s.Selector = &metav1.LabelSelector{} }, nil, "spec.selector: it is empty"},
		{"a selector that cannot be read", func(s *apps.StatefulSetSpec) {
			s.Selector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Near"}}
		}, nil, "spec.selector"},
		{"maxUnavailable of words", func(s *apps.StatefulSetSpec) {
			s.UpdateStrategy.RollingUpdate = &apps.RollingUpdateStatefulSetStrategy{MaxUnavailable: ptr.To(intstr.FromString("some"))}
		}, nil, "maxUnavailable"},
		{"defaults", func(*apps.StatefulSetSpec) {},
			func(s Set) bool {
				return s.Replicas == 1 && s.Ordinals.Start == 0 && !s.Parallel && s.Update == (UpdateStrategy{}) &&
					s.RevisionHistoryLimit == 10 && s.Retention == (Retention{})
			}, ""},
		{"a percentage rounds down", func(s *apps.StatefulSetSpec) {
			s.Replicas = ptr.To[int32](5)
			s.UpdateStrategy.RollingUpdate = &apps.RollingUpdateStatefulSetStrategy{MaxUnavailable: ptr.To(intstr.FromString("50%"))}
		}, func(s Set) bool { return *s.Update.MaxUnavailable == 2 && *s.Update.Partition == 0 }, ""},
		{"but not to nothing", func(s *apps.StatefulSetSpec) {
			s.UpdateStrategy.RollingUpdate = &apps.RollingUpdateStatefulSetStrategy{MaxUnavailable: ptr.To(intstr.FromString("1%"))}
		}, func(s Set) bool { return *s.Update.MaxUnavailable == 1 }, ""},
		{"an unknown retention keeps", func(s *apps.StatefulSetSpec) {
			s.PersistentVolumeClaimRetentionPolicy = &apps.StatefulSetPersistentVolumeClaimRetentionPolicy{WhenScaled: "Perhaps", WhenDeleted: "Delete"}
		}, func(s Set) bool { return s.Retention == Retention{DeleteWhenDeleted: true} }, ""},
		{"ordinals.start", func(s *apps.StatefulSetSpec) { s.Ordinals = &apps.StatefulSetOrdinals{Start: 4} },
			func(s Set) bool { return !s.Contains(3) && s.Contains(4) && !s.Contains(5) }, ""},
	} {
		in := &apps.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "web"}}
		in.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
		c.change(&in.Spec)
		set, err := FromStatefulSet(in)
		switch {
		case c.fails == "" && err != nil, c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails) || !strings.Contains(err.Error(), "ns/web")):
			t.Errorf("%s: %v", c.name, err)
		case c.check != nil && !c.check(set):
			t.Errorf("%s: %+v", c.name, set)
		}
	}
}
