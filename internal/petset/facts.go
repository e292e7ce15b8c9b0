package petset

import (
	"slices"
	"unique"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// Facts are what the rules ask of every pod at every look. Most looks find most
// pods as they were, and those of a large set lie all over the memory: to read
// each of them again takes longer than all the rest of a decision. So facts are
// small, and nothing that they point to is read for a pod that needs nothing.
type Facts struct {
	// revision that the pod runs; empty when somebody took its label off.
	revision string
	// changing is what is still under way of a change in place, or nil.
	changing *inPlaceNote
	ordinal  int
	// named: the pod bears the name of a pet, that of the ordinal.
	named bool
	// created: the API server gave the pod a phase, which is one of the others.
	// finished: the pod ran to an end. A pet has none, so it does not matter
	// whether it ended well: an evicted pod, or one that a node shut down, may
	// have either phase.
	created, pending, running, finished bool
	terminating                         bool
	// ready: running, ready by its own word, and not about to change. A
	// terminating pod may be ready.
	ready bool
	// identity: the pod can be found by its own name.
	identity bool
	// noted: the pod bears the note of a change in place.
	noted                 bool
	drainStarted, drained bool
	mountsClaims          bool
}

// FactsOf reads a pod, which nobody may change as long as its facts are used.
func FactsOf(pod *corev1.Pod) Facts {
	phase, changing := pod.Status.Phase, changingIn(pod)
	_, ordinal, named := SplitOrdinal(pod.Name)
	return Facts{
		ordinal:      ordinal,
		named:        named,
		revision:     oneCopy(pod.Labels[apps.StatefulSetRevisionLabel]),
		created:      phase != "",
		pending:      phase == corev1.PodPending,
		running:      phase == corev1.PodRunning,
		finished:     phase == corev1.PodFailed || phase == corev1.PodSucceeded,
		terminating:  pod.DeletionTimestamp != nil,
		ready:        phase == corev1.PodRunning && podutil.IsPodReady(pod) && changing == nil,
		identity:     identityMatches(pod),
		noted:        pod.Annotations[v1alpha1.InPlaceAnnotation] != "",
		changing:     changing,
		drainStarted: pod.Annotations[v1alpha1.DrainStartedAnnotation] != "",
		drained:      pod.Annotations[v1alpha1.DrainedAnnotation] != "",
		mountsClaims: slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.PersistentVolumeClaim != nil }),
	}
}

// oneCopy returns the one copy of a name that all pods share, so that two can be
// compared without reading either.
func oneCopy(name string) string { return unique.Make(name).Value() }

// factsOf returns those that were read before, if any.
func (o Observation) factsOf(pod *corev1.Pod) Facts {
	if facts, known := o.Facts[pod]; known {
		return facts
	}
	return FactsOf(pod)
}
