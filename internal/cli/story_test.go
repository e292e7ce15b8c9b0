package cli

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// told is an event so many seconds before now. about and related are KIND/NAME.
func told(ago float64, reason, about, related, message string) corev1.Event {
	refer := func(to string) corev1.ObjectReference {
		kind, name, _ := strings.Cut(to, "/")
		namespace := "default"
		if kind == "Node" {
			namespace = ""
		}
		return corev1.ObjectReference{Kind: kind, Namespace: namespace, Name: name, UID: types.UID("new " + name)}
	}
	to := refer(related)
	return corev1.Event{
		EventTime: metav1.NewMicroTime(now.Add(-time.Duration(ago * float64(time.Second)))), Reason: reason, Message: message,
		InvolvedObject: refer(about), Related: &to,
	}
}

func pet(name, node string) corev1.Pod {
	return corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("new " + name)}, Spec: corev1.PodSpec{
		NodeName: node, Volumes: []corev1.Volume{{Name: "empty"}, {Name: "data", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data-" + name},
		}}},
	}}
}

func TestFailovers(t *testing.T) {
	lost := told(100, v1alpha1.EventLeaseLost, "Node/beta", "Lease/beta", "silent for 4s")
	fenced := told(99.5, v1alpha1.EventFenced, "Node/beta", "Lease/beta", "2 of 3 refuse it")
	taken := told(99.4, v1alpha1.EventFailedOver, "Pod/db-0", "Node/beta", "")
	taken.InvolvedObject.UID = "old db-0"
	released := told(99, v1alpha1.EventVolumeReleased, "PersistentVolumeClaim/data-db-0", "VolumeAttachment/a", "")
	scheduled := told(98.9, "Scheduled", "Pod/db-0", "Pod/", "")
	recovered := told(97, v1alpha1.EventRecovered, "Pod/db-0", "Node/gamma", "")
	back := told(50, v1alpha1.EventLeaseAcquired, "Node/beta", "Lease/beta", "")
	for _, test := range []struct {
		name   string
		events []corev1.Event
		want   string
	}{
		{"nothing", nil, ""},
		{"a lease was lost and taken back", []corev1.Event{lost, back}, ""},
		{"pods are scheduled every day", []corev1.Event{scheduled}, ""},
		{"the whole story, in any order", []corev1.Event{
			recovered, lost, taken, released, fenced, scheduled, back, told(99.4, v1alpha1.EventFailedOver, "StatefulSet/db", "Pod/db-0", ""),
		}, `
failover from node beta, 2026-01-01 11:58:20 (100s ago)
     0.0 s   lease lost: silent for 4s
     0.5 s   fenced: 2 of 3 refuse it
     0.6 s   pod default/db-0 taken from the node
     1.0 s   volume of claim default/data-db-0 released
     1.1 s   pod default/db-0 scheduled on node gamma
     3.0 s   pod default/db-0 ready on node gamma
`},
		{"given up by its keeper, and not over", []corev1.Event{told(99.5, v1alpha1.EventFenced, "Node/beta", "Lease/beta", "it leaves"), taken}, `
failover from node beta, 2026-01-01 11:58:20 (99s ago)
     0.0 s   fenced: it leaves
     0.1 s   pod default/db-0 taken from the node
`},
		{"the first events are forgotten", []corev1.Event{taken, released}, `
failover from node beta, 2026-01-01 11:58:20 (99s ago)
     0.0 s   pod default/db-0 taken from the node
     0.4 s   volume of claim default/data-db-0 released
`},
		{"it was scheduled before the judge had told that it was taken", []corev1.Event{fenced, told(99.45, "Scheduled", "Pod/db-0", "Pod/", ""), taken}, `
failover from node beta, 2026-01-01 11:58:20 (99s ago)
     0.0 s   fenced: 2 of 3 refuse it
     0.1 s   pod default/db-0 taken from the node
     0.1 s   pod default/db-0 scheduled on node gamma
`},
		{"what happens to a pod later is another story", []corev1.Event{
			fenced, taken, recovered, told(10, "Scheduled", "Pod/db-0", "Pod/", ""), told(40, v1alpha1.EventFenced, "Node/beta", "Lease/beta", "again"),
		}, `
failover from node beta, 2026-01-01 11:58:20 (99s ago)
     0.0 s   fenced: 2 of 3 refuse it
     0.1 s   pod default/db-0 taken from the node
     2.5 s   pod default/db-0 ready on node gamma
`},
	} {
		var out strings.Builder
		printFailovers(&out, failovers(test.events, []corev1.Pod{pet("db-0", "gamma"), pet("db-1", "")}), now)
		if out.String() != test.want {
			t.Errorf("%s:\n%s\nnot\n%s", test.name, out.String(), test.want)
		}
	}
}

// Of many pods some are told of, and the others are counted.
func TestFailoverOfMany(t *testing.T) {
	var events []corev1.Event
	for i := range 8 {
		events = append(events, told(10, v1alpha1.EventFailedOver, fmt.Sprint("Pod/db-", i), "Node/beta", ""))
	}
	all := failovers(events, nil)
	if len(all) != 1 || len(all[0].Steps) != 5 || all[0].Others != 3 {
		t.Fatalf("told is %+v", all)
	}
	var out strings.Builder
	if printFailovers(&out, all, now); !strings.Contains(out.String(), "and 3 more pods: mainstay kubectl get events -A") {
		t.Error(out.String())
	}
}
