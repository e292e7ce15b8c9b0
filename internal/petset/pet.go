package petset

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
)

// pet is one identity of the set and the pod that holds it now, if any.
type pet struct {
	// index among the pets that should exist; it means nothing for others.
	index int
	pod   *corev1.Pod
	// Facts of the pod; without one, no more than the ordinal.
	Facts
}

// petOf returns the pet whose pod it is.
func petOf(pod *corev1.Pod) pet {
	if pod == nil {
		return pet{}
	}
	return pet{pod: pod, Facts: FactsOf(pod)}
}

func (p pet) uid() types.UID {
	if p.pod == nil {
		return ""
	}
	return p.pod.UID
}

// available: ready for at least minReadySeconds.
func (p pet) available(minReadySeconds int32, now time.Time) bool {
	return p.ready && (minReadySeconds == 0 || podutil.IsPodAvailable(p.pod, minReadySeconds, metav1.NewTime(now)))
}

// unavailable: not available, or soon not to be.
func (p pet) unavailable(minReadySeconds int32, now time.Time) bool {
	return p.terminating || !p.available(minReadySeconds, now)
}

// untilAvailable returns how long the pod has yet to stay ready before it is
// available. Zero when time alone changes nothing.
func (p pet) untilAvailable(minReadySeconds int32, now time.Time) time.Duration {
	if minReadySeconds == 0 || !p.ready || p.available(minReadySeconds, now) {
		return 0
	}
	since := podutil.GetPodReadyCondition(p.pod.Status).LastTransitionTime
	if since.IsZero() {
		return 0
	}
	return since.Add(time.Duration(minReadySeconds) * time.Second).Sub(now)
}
