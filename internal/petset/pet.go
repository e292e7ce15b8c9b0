package petset

import (
	"time"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
)

// pet is one identity of the set and the pod that holds it now, if any.
type pet struct {
	ordinal int
	// index among the pets that should exist; it means nothing for others.
	index int
	name  string
	pod   *corev1.Pod
}

func (p pet) uid() types.UID {
	if p.pod == nil {
		return ""
	}
	return p.pod.UID
}

// revision is the revision that the pet's pod, which there must be, runs; empty
// when somebody took its label off.
func (p pet) revision() string {
	return p.pod.Labels[apps.StatefulSetRevisionLabel]
}

// finished: the pod ran to an end. A pet has none, so it does not matter
// whether it ended well: an evicted pod, or one that a node shut down, may have
// either phase.
func (p pet) finished() bool {
	return p.pod != nil && (p.pod.Status.Phase == corev1.PodFailed || p.pod.Status.Phase == corev1.PodSucceeded)
}

func (p pet) pending() bool {
	return p.pod != nil && p.pod.Status.Phase == corev1.PodPending
}

func (p pet) terminating() bool {
	return p.pod != nil && p.pod.DeletionTimestamp != nil
}

// ready: running, ready by its own word, and not about to change. A terminating
// pod may be ready.
func (p pet) ready() bool {
	return p.pod != nil && p.pod.Status.Phase == corev1.PodRunning && podutil.IsPodReady(p.pod) && p.changing() == nil
}

// available: ready for at least minReadySeconds.
func (p pet) available(minReadySeconds int32, now time.Time) bool {
	return p.ready() && podutil.IsPodAvailable(p.pod, minReadySeconds, metav1.NewTime(now))
}

// unavailable: not available, or soon not to be.
func (p pet) unavailable(minReadySeconds int32, now time.Time) bool {
	return p.terminating() || !p.available(minReadySeconds, now)
}

// untilAvailable returns how long the pod has yet to stay ready before it is
// available. Zero when time alone changes nothing.
func (p pet) untilAvailable(minReadySeconds int32, now time.Time) time.Duration {
	if minReadySeconds == 0 || !p.ready() || p.available(minReadySeconds, now) {
		return 0
	}
	since := podutil.GetPodReadyCondition(p.pod.Status).LastTransitionTime
	if since.IsZero() {
		return 0
	}
	return since.Add(time.Duration(minReadySeconds) * time.Second).Sub(now)
}
