package fence

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// aPod has a claim of its name. It is a pet when after is not empty: the seconds that
// its node must have been fenced.
func aPod(name, node, after string) corev1.Pod {
	pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: "u", ResourceVersion: "5"}, Spec: corev1.PodSpec{
		NodeName: node, Volumes: []corev1.Volume{{Name: "empty"}, {Name: "data", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name},
		}}},
	}}
	if after != "" {
		pod.Labels = map[string]string{v1alpha1.FailoverLabel: v1alpha1.FailoverFenced}
		pod.Annotations = map[string]string{v1alpha1.FailoverAfterAnnotation: after}
	}
	return pod
}

func attachedTo(node, claim string) Attached {
	var of *corev1.ObjectReference
	if claim != "" {
		of = &corev1.ObjectReference{Namespace: "default", Name: claim}
	}
	return Attached{Claim: of, VolumeAttachment: storagev1.VolumeAttachment{Spec: storagev1.VolumeAttachmentSpec{NodeName: node}}}
}

// A node has been fenced in epoch 3 for a minute, so far as the judge has seen.
func TestFailover(t *testing.T) {
	db, late, web := aPod("db-0", "n1", "0"), aPod("late-0", "n1", "90"), aPod("web", "n1", "")
	there, waiting := aPod("db-1", "n2", "0"), aPod("db-2", "", "0")
	all := []Attached{
		attachedTo("n1", "db-0"), attachedTo("n1", "late-0"), attachedTo("n1", "web"),
		attachedTo("n1", ""), attachedTo("n2", "db-1"),
	}
	leaving := attachedTo("n1", "gone")
	leaving.DeletionTimestamp = &metav1.Time{}
	scratch := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}, Spec: corev1.PodSpec{
		NodeName: "n1", Volumes: []corev1.Volume{{Name: "tmp", VolumeSource: corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{}}}},
	}}
	for _, test := range []struct {
		name     string
		change   func(order *Action, read *Lease)
		pods     []corev1.Pod
		attached []Attached
		pets     string
		released string
		again    time.Duration
	}{
		{"open: nothing", func(_ *Action, read *Lease) { read.State = Open }, []corev1.Pod{db}, nil, "", "", 0},
		{"closing: nothing yet", func(_ *Action, read *Lease) { read.State = Closing }, []corev1.Pod{db}, nil, "", "", 0},
		{"fenced in a later epoch: that has its own wait", func(_ *Action, read *Lease) { read.Epoch++ }, []corev1.Pod{db}, nil, "", "", 0},
		{"the lease is another", func(_ *Action, read *Lease) { read.UID = "v" }, []corev1.Pod{db}, nil, "", "", 0},
		{"its pets go, of what is on it", nil, []corev1.Pod{db, web, there, waiting}, nil, "db-0", "", 0},
		{"a pet that waits 90 s stays", nil, []corev1.Pod{late}, nil, "", "", leisure},
		{"it is looked at when the wait is over", func(order *Action, _ *Lease) { order.For = 88 * time.Second }, []corev1.Pod{late}, nil, "", "", 2 * time.Second},
		{"its wait is over", func(order *Action, _ *Lease) { order.For = 90 * time.Second }, []corev1.Pod{late}, nil, "late-0", "", 0},
		{"what is no number asks for no wait", nil, []corev1.Pod{aPod("db-0", "n1", "5m")}, nil, "db-0", "", 0},
		{"volumes stay while a pod there uses them, and those of others", nil, []corev1.Pod{db, late, web}, all, "db-0", "(none)", 0},
		{"volumes of pets that are gone go", nil, []corev1.Pod{late, web, there}, all, "", "default/db-0 (none)", 0},
		{"what is being released is not released again", nil, nil, []Attached{leaving}, "", "", underWay},
		{"a volume made for a pod is the pod's", nil, []corev1.Pod{scratch}, []Attached{attachedTo("n1", "web-tmp")}, "", "", leisure},
		{"just fenced, with nothing there: more may show", func(order *Action, _ *Lease) { order.For = time.Second }, nil, nil, "", "", 0},
	} {
		read := someLease()
		read.State = Fenced
		order := Action{Verb: FailOver, Lease: read, For: time.Minute}
		if test.change != nil {
			test.change(&order, &read)
		}
		taken := Failover(order, read, test.pods, test.attached)
		var pets, released []string
		for _, pod := range taken.Pods {
			pets = append(pets, pod.Name)
		}
		for _, a := range taken.Attachments {
			released = append(released, cmp.Or(a.claim(), "(none)"))
		}
		if strings.Join(pets, " ") != test.pets || strings.Join(released, " ") != test.released || taken.Again != test.again {
			t.Errorf("%s: it takes %v, releases %v, and looks again after %v", test.name, pets, released, taken.Again)
		}
	}
}

func TestDeleteOptions(t *testing.T) {
	pod := aPod("db-0", "n1", "0")
	options := DeleteOptions(&pod)
	if *options.GracePeriodSeconds != 0 || *options.Preconditions.UID != "u" || *options.Preconditions.ResourceVersion != "5" {
		t.Errorf("deleted with %+v", options)
	}
}

// A judge counts from when it saw an epoch fenced first, through its own blindness.
func TestFencedFor(t *testing.T) {
	c := newCourt(t, 3)
	c.leases[0].State, c.leases[0].Epoch = Fenced, 4
	c.pass(1)
	var seen []string
	note := func() { seen = append(seen, fmt.Sprint(c.want(FailOver)[0].For)) }
	note()
	c.now = c.now.Add(seconds(60)) // asleep
	c.see()
	note()
	c.leases[0].Epoch += 2
	c.see()
	note()
	c.judge = NewJudge(DefaultTerms())
	c.pass(1)
	note()
	if got := strings.Join(seen, " "); got != "800ms 1m0.8s 0s 800ms" {
		t.Errorf("it has seen it for %s", got)
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
