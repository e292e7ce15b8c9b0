package petset

import (
	"bytes"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// TestFailoverOfStatefulSet: what its annotations say.
func TestFailoverOfStatefulSet(t *testing.T) {
	for _, c := range []struct {
		policy, after string
		want          Failover
		fails         string
	}{
		{"", "", Failover{Fenced: true}, ""},
		{"Fenced", "", Failover{Fenced: true}, ""},
		{"Fenced", "0", Failover{Fenced: true}, ""},
		{"Fenced", "30", Failover{Fenced: true, AfterSeconds: 30}, ""},
		{"Manual", "", Failover{}, ""},
		{"manual", "", Failover{}, `mainstay.dev/failover is "manual"; write Fenced or Manual`},
		{"", "-1", Failover{}, `mainstay.dev/failover-after-seconds is "-1"; write a number`},
		{"", "30s", Failover{}, `mainstay.dev/failover-after-seconds is "30s"; write a number`},
		{"", "3000000000", Failover{}, "write a number"},
	} {
		set := &apps.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "web", Annotations: map[string]string{}}}
		set.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
		if c.policy != "" {
			set.Annotations[v1alpha1.FailoverAnnotation] = c.policy
		}
		if c.after != "" {
			set.Annotations[v1alpha1.FailoverAfterAnnotation] = c.after
		}
		got, err := FromStatefulSet(set)
		switch {
		case c.fails == "" && (err != nil || got.Failover != c.want):
			t.Errorf("%+v: %+v, %v", c, got.Failover, err)
		case c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)):
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestFailoverOfPod: the set alone decides, whatever its template says.
func TestFailoverOfPod(t *testing.T) {
	for _, c := range []struct {
		failover     Failover
		label, after string
		stays        int // tolerations
	}{
		{Failover{Fenced: true}, "Fenced", "", 0},
		{Failover{Fenced: true, AfterSeconds: 30}, "Fenced", "30", 1},
		{Failover{}, "", "", 1},
		{Failover{AfterSeconds: 30}, "", "", 1},
	} {
		for _, theirs := range []map[string]string{nil, {v1alpha1.FailoverLabel: "Fenced", v1alpha1.FailoverAfterAnnotation: "7"}} {
			set := podSet()
			set.Failover = c.failover
			set.Template.Labels, set.Template.Annotations = theirs, theirs
			pod := set.NewPod(0, Revision{Name: "rev", Template: set.Template})
			if label, after := pod.Labels[v1alpha1.FailoverLabel], pod.Annotations[v1alpha1.FailoverAfterAnnotation]; label != c.label || after != c.after {
				t.Errorf("%+v, template %v: label %q, after %q", c.failover, theirs, label, after)
			}
			if got := pod.Spec.Tolerations; len(got) != c.stays || len(got) > 0 && (got[0].Key != corev1.TaintNodeUnreachable || got[0].TolerationSeconds != nil) {
				t.Errorf("%+v: it tolerates %v", c.failover, got)
			}
			again := set.NewPod(0, Revision{Name: "rev", Template: &corev1.PodTemplateSpec{Spec: pod.Spec}})
			if got := again.Spec.Tolerations; len(got) != c.stays {
				t.Errorf("%+v: a template that says so is changed to %v", c.failover, got)
			}
		}
	}
}

// TestChangeOfFailover: pods that run are left as they are, and there is no new
// revision.
func TestChangeOfFailover(t *testing.T) {
	set := podSet()
	set.Replicas, set.Failover = 1, Failover{Fenced: true}
	before, err := set.RevisionData()
	if err != nil {
		t.Fatal(err)
	}
	s := settler{pods: map[string]*corev1.Pod{}, claims: map[string]*corev1.PersistentVolumeClaim{}, revisions: map[string]Revision{}}
	if err := s.settle(set); err != nil {
		t.Fatal(err)
	}
	set.Failover = Failover{AfterSeconds: 5}
	pod := s.pods["web-0"]
	if err := s.settle(set); err != nil || s.pods["web-0"] != pod {
		t.Errorf("the pod was changed, or %v", err)
	}
	if after, err := set.RevisionData(); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the revision was %s and is %s, %v", before, after, err)
	}
}

// TestSelectorOfFailover: pods would be lost to the set when its failover changes.
func TestSelectorOfFailover(t *testing.T) {
	set := &apps.StatefulSet{}
	set.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.FailoverLabel: "Fenced"}}
	if _, err := FromStatefulSet(set); err == nil || !strings.Contains(err.Error(), "cannot select pods") {
		t.Error(err)
	}
}
