package petset

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// podSet's template brings along all that a pet's own part must not lose, and
// a volume that a claim takes the place of.
func podSet() Set {
	return Set{Kind: StatefulSetKind, Namespace: "ns", Name: "web", UID: "set-uid", ServiceName: "svc", Failover: Failover{Fenced: true},
		MatchLabels:    map[string]string{"app": "web"},
		ClaimTemplates: []corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "data", Labels: map[string]string{"app": "theirs", "tier": "disk"}}}},
		Template: &corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}, Annotations: map[string]string{"a": "b"}, Finalizers: []string{"f"}},
			Spec: corev1.PodSpec{Hostname: "ignored", Volumes: []corev1.Volume{{Name: "conf"}, {Name: "data",
				VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}},
		}}
}

func TestNewPod(t *testing.T) {
	set := podSet()
	before := set.Template.DeepCopy()
	got := set.NewPod(3, Revision{Name: "rev", Template: set.Template})
	want := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "web-3", GenerateName: "web-", Finalizers: []string{"f"},
			Annotations: map[string]string{"a": "b"},
			Labels: map[string]string{"app": "web", "controller-revision-hash": "rev",
				"apps.kubernetes.io/pod-index": "3", "mainstay.dev/failover": "Fenced", "statefulset.kubernetes.io/pod-name": "web-3"},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "web", UID: "set-uid",
				Controller: ptr.To(true), BlockOwnerDeletion: ptr.To(true)}}},
		Spec: corev1.PodSpec{Hostname: "web-3", Subdomain: "svc", Volumes: []corev1.Volume{
			{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data-web-3"}}},
			{Name: "conf"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	if diff := cmp.Diff(before, set.Template); diff != "" {
		t.Errorf("the template was changed:\n%s", diff)
	}
}

func TestNewClaim(t *testing.T) {
	set := podSet()
	got := set.newClaim(&set.ClaimTemplates[0], pet{Facts: Facts{ordinal: 3}})
	want := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "data-web-3",
		Labels: map[string]string{"app": "web", "tier": "disk"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	if set.ClaimTemplates[0].Labels["app"] != "theirs" {
		t.Error("the template was changed")
	}
}

func TestRepaired(t *testing.T) {
	set := podSet()
	pod := set.NewPod(3, Revision{Name: "rev", Template: set.Template})
	want := pod.DeepCopy()
	delete(pod.Labels, apps.StatefulSetPodNameLabel)
	delete(pod.Labels, apps.PodIndexLabel)
	pod.Spec.Volumes = pod.Spec.Volumes[1:]
	broken := pod.DeepCopy()
	if diff := cmp.Diff(want, set.repaired(pod, 3)); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	if diff := cmp.Diff(broken, pod); diff != "" {
		t.Errorf("the pod that was observed was changed:\n%s", diff)
	}
}
