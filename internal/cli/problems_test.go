package cli

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var now = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// The rules of podTrouble, in their order.
func TestPodTrouble(t *testing.T) {
	ready := corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue}
	waiting := func(reason, message string) corev1.ContainerStatus {
		return corev1.ContainerStatus{Name: "db", State: corev1.ContainerState{
			Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message},
		}}
	}
	exited := corev1.ContainerStatus{Name: "prepare", RestartCount: 3, State: corev1.ContainerState{
		Terminated: &corev1.ContainerStateTerminated{ExitCode: 7, Reason: "Error"},
	}}
	crashing := waiting("CrashLoopBackOff", "back-off")
	crashing.LastTerminationState.Terminated = exited.State.Terminated

	for _, test := range []struct {
		name   string
		change func(*corev1.Pod)
		says   string // empty: no trouble
	}{
		{"ready", func(p *corev1.Pod) { p.Status.Conditions = []corev1.PodCondition{ready} }, ""},
		{"finished", func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }, ""},
		{"is being deleted", func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: now} }, ""},
		{"does not end", func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: now.Add(-time.Minute)} }, "should have ended 1m0s ago"},
		{"finds no node", func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "no room"}}
		}, "finds no node: no room"},
		{"has no image", func(p *corev1.Pod) {
			p.Status.ContainerStatuses = []corev1.ContainerStatus{waiting("ImagePullBackOff", "not found")}
		}, "lacks its image: not found"},
		{"crashes", func(p *corev1.Pod) { p.Status.ContainerStatuses = []corev1.ContainerStatus{crashing} }, "crashes again and again: container db ended with status 7"},
		{"is misconfigured", func(p *corev1.Pod) {
			p.Status.ContainerStatuses = []corev1.ContainerStatus{waiting("CreateContainerConfigError", "no such secret")}
		}, "cannot start (CreateContainerConfigError): no such secret"},
		{"an init container fails", func(p *corev1.Pod) { p.Status.InitContainerStatuses = []corev1.ContainerStatus{exited} }, "logs -n default db-0 -c prepare"},
		{"has failed", func(p *corev1.Pod) { p.Status.Phase, p.Status.Reason = corev1.PodFailed, "Evicted" }, "has failed: Evicted"},
		{"is young", func(p *corev1.Pod) { p.CreationTimestamp.Time = now.Add(-time.Second) }, ""},
		{"is not ready for long", func(*corev1.Pod) {}, "is not ready: the probe failed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			pod := corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "db-0", UID: "1", CreationTimestamp: metav1.Time{Time: now.Add(-time.Hour)}},
				Status:     corev1.PodStatus{Phase: corev1.PodRunning},
			}
			test.change(&pod)
			events := []corev1.Event{{InvolvedObject: corev1.ObjectReference{UID: "1"}, Message: "the probe failed"}}
			got := podTrouble(pod, observation{now: now, events: events})
			if (test.says == "") != (got == "") || !strings.Contains(got, test.says) {
				t.Errorf("it says %q, not %q", got, test.says)
			}
		})
	}
}
