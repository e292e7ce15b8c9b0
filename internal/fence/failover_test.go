package fence

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestFailover(t *testing.T) {
	pod := func(name, node string) corev1.Pod {
		return corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, UID: "u", ResourceVersion: "5"}, Spec: corev1.PodSpec{NodeName: node}}
	}
	attachment := func(name, node string) storagev1.VolumeAttachment {
		return storagev1.VolumeAttachment{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: storagev1.VolumeAttachmentSpec{NodeName: node}}
	}
	here, there, waiting := pod("db-0", "n1"), pod("db-1", "n2"), pod("db-2", "")
	attached := []storagev1.VolumeAttachment{attachment("a", "n1"), attachment("b", "n2")}
	for _, test := range []struct {
		name              string
		state             State
		pods              []corev1.Pod
		taken, unattached int
	}{
		{"open: nothing", Open, []corev1.Pod{here}, 0, 0},
		{"closing: nothing yet", Closing, []corev1.Pod{here}, 0, 0},
		{"fenced: its pods, and no volume before they are gone", Fenced, []corev1.Pod{here, there, waiting}, 1, 0},
		{"fenced, its pods are gone: its volumes", Fenced, []corev1.Pod{there, waiting}, 0, 1},
	} {
		lease := someLease()
		lease.State = test.state
		taken := Failover(lease, test.pods, attached)
		if len(taken.Pods) != test.taken || len(taken.Attachments) != test.unattached {
			t.Errorf("%s: %+v", test.name, taken)
		}
	}
	options := DeleteOptions(&here)
	if *options.GracePeriodSeconds != 0 || *options.Preconditions.UID != "u" || *options.Preconditions.ResourceVersion != "5" {
		t.Errorf("deleted with %+v", options)
	}
}

func TestDeadline(t *testing.T) {
	d := Deadline{Boot: "b", Until: 100}
	for _, test := range []struct {
		boot string
		now  Instant
		want bool
	}{{"b", 99, false}, {"b", 100, true}, {"another", 50, true}} {
		if d.Overdue(test.boot, test.now) != test.want {
			t.Errorf("boot %s at %d: overdue is %v", test.boot, test.now, !test.want)
		}
	}
	if !(Deadline{Boot: "b"}).Overdue("b", 0) {
		t.Error("a deadline that was ended holds")
	}
}
