package controller

import (
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// What a plan can rest on wakes the set; what kubelet writes besides does not.
func TestPodChanged(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*corev1.Pod)
		want   urgency
	}{
		{"nothing", func(*corev1.Pod) {}, never},
		{"bound to a node", func(p *corev1.Pod) { p.Spec.NodeName = "node" }, never},
		{"another condition", func(p *corev1.Pod) {
			p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionTrue})
		}, never},
		{"its address", func(p *corev1.Pod) { p.Status.PodIP = "10.0.0.1" }, never},
		{"an annotation", func(p *corev1.Pod) { p.Annotations = map[string]string{"a": "b"} }, never},
		{"another pod of the name", func(p *corev1.Pod) { p.UID = "other" }, now},
		{"the phase", func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }, now},
		{"not ready", func(p *corev1.Pod) { p.Status.Conditions[0].Status = corev1.ConditionFalse }, now},
		{"ready since later", func(p *corev1.Pod) { p.Status.Conditions[0].LastTransitionTime = metav1.Now() }, now},
		{"being deleted", func(p *corev1.Pod) { p.DeletionTimestamp = ptr.To(metav1.Now()) }, soon},
		{"a label", func(p *corev1.Pod) { p.Labels = map[string]string{"app": "other"} }, now},
		{"released", func(p *corev1.Pod) { p.OwnerReferences = nil }, now},
	} {
		old := ownedPod("web-0")
		is := old.DeepCopy()
		c.change(is)
		if got := podChanged(old, is); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	pending := ownedPod("web-0")
	pending.Status = corev1.PodStatus{Phase: corev1.PodPending}
	running := pending.DeepCopy()
	running.Status.Phase = corev1.PodRunning
	if got := podChanged(pending, running); got != soon {
		t.Errorf("it runs: %v", got)
	}
	if got := podChanged(pending, ownedPod("web-0")); got != now {
		t.Errorf("it runs, and is ready at once: %v", got)
	}
}

// Of a node it matters alone whether it is fenced: kubelet writes its status all the
// time.
func TestNodeChanged(t *testing.T) {
	up, fenced := &corev1.Node{}, &corev1.Node{}
	up.Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoExecute}}
	fenced.Spec.Taints = []corev1.Taint{{Key: v1alpha1.FencedTaint, Effect: corev1.TaintEffectNoSchedule}}
	for name, got := range map[string][2]urgency{
		"nothing":    {nodeChanged(fenced, fenced), never},
		"tainted":    {nodeChanged(&corev1.Node{}, up), never},
		"fenced":     {nodeChanged(up, fenced), now},
		"back again": {nodeChanged(fenced, up), now},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %v", name, got[0])
		}
	}
}

func ownedPod(name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: "pod", Labels: map[string]string{"app": "web"},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "db", UID: "set", Controller: ptr.To(true)}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{
			{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(time.Unix(1, 0))}}},
	}
}

// What a user writes wakes the set at once, its status does not.
func TestSetChanged(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*apps.StatefulSet)
		want   urgency
	}{
		{"the status", func(set *apps.StatefulSet) { set.Status.Replicas = 3; set.ResourceVersion = "2" }, soon},
		{"the spec", func(set *apps.StatefulSet) { set.Generation = 2 }, now},
		{"an annotation", func(set *apps.StatefulSet) { set.Annotations = map[string]string{"a": "b"} }, now},
		{"a label", func(set *apps.StatefulSet) { set.Labels = map[string]string{"a": "b"} }, now},
		{"being deleted", func(set *apps.StatefulSet) { set.DeletionTimestamp = ptr.To(metav1.Now()) }, now},
		{"another set of the name", func(set *apps.StatefulSet) { set.UID = "other" }, now},
	} {
		old := &apps.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "web", UID: "set", Generation: 1, ResourceVersion: "1"}}
		is := old.DeepCopy()
		c.change(is)
		if got := setChanged(old, is); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// A large set is looked at less often, but an OrderedReady set at once when its
// next pet may be due.
func TestDelay(t *testing.T) {
	for _, c := range []struct {
		how      urgency
		pets     int
		parallel bool
		want     time.Duration
	}{
		{now, 3, false, 0},
		{now, 5000, false, 0},
		{now, 3, true, 150 * time.Microsecond},
		{now, 5000, true, 250 * time.Millisecond},
		{soon, 3, false, 50 * time.Millisecond},
		{soon, 3, true, 50 * time.Millisecond},
		{soon, 5000, false, 250 * time.Millisecond},
	} {
		if got := c.how.delay(c.pets, c.parallel); got != c.want {
			t.Errorf("%v, %d pets, parallel %v: %v, want %v", c.how, c.pets, c.parallel, got, c.want)
		}
	}
}
