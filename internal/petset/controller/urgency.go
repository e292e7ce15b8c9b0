package controller

import (
	"maps"
	"reflect"
	"time"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/petset"
)

// urgency is how soon a set has to be looked at after an event.
type urgency int

const (
	// never: no plan rests on it.
	never urgency = iota
	// soon: nothing is to be done, the status alone tells of it. That can wait for
	// what comes next; then it takes one look, and one write of the status.
	soon
	now
)

// A look goes through all pets of a set, and serves all events until then: the
// more pets there are, the more of them it should serve.
const (
	// soonDelay is how long an event at least waits that matters soon. A pod takes
	// longer to become ready.
	soonDelay = 50 * time.Millisecond
	// delayPerPet is how long it waits for each pet of its set. In a Parallel set
	// every event does; an OrderedReady set waits for each of its own, so nothing
	// may delay those that matter now.
	delayPerPet = 50 * time.Microsecond
)

// delay returns how long an event of a set of so many pets waits.
func (how urgency) delay(pets int, parallel bool) time.Duration {
	perPet := time.Duration(pets) * delayPerPet
	switch {
	case how == soon:
		return max(soonDelay, perPet)
	case parallel:
		return perPet
	}
	return 0
}

// setChanged tells a change by a user from one of the status.
func setChanged(old, is client.Object) urgency {
	if old.GetUID() == is.GetUID() && old.GetGeneration() == is.GetGeneration() &&
		(old.GetDeletionTimestamp() == nil) == (is.GetDeletionTimestamp() == nil) &&
		maps.Equal(old.GetAnnotations(), is.GetAnnotations()) && maps.Equal(old.GetLabels(), is.GetLabels()) {
		return soon
	}
	return now
}

// when is now if the condition holds.
func when(changed bool) urgency {
	if changed {
		return now
	}
	return never
}

// podChanged tells how a change of a pod matters to the plan of any set. Most do
// not: kubelet writes a pod's status several times on its way up.
func podChanged(old, is *corev1.Pod) urgency {
	switch {
	case old.UID != is.UID ||
		!reflect.DeepEqual(readyCondition(old), readyCondition(is)) ||
		!reflect.DeepEqual(old.Labels, is.Labels) ||
		!reflect.DeepEqual(old.OwnerReferences, is.OwnerReferences):
		return now
	case (old.DeletionTimestamp == nil) != (is.DeletionTimestamp == nil):
		return soon // its place is not free before it is gone
	case is.Status.Phase == corev1.PodRunning && old.Status.Phase == corev1.PodPending:
		return soon // it is not ready yet
	}
	return when(old.Status.Phase != is.Status.Phase)
}

func readyCondition(pod *corev1.Pod) (ready struct {
	status corev1.ConditionStatus
	since  metav1.Time
}) {
	if c := podutil.GetPodReadyCondition(pod.Status); c != nil {
		ready.status, ready.since = c.Status, c.LastTransitionTime
	}
	return ready
}

// claimChanged tells whether a pod of any set can be held up, or let go, by the
// change.
func claimChanged(old, is *corev1.PersistentVolumeClaim) urgency {
	return when(old.UID != is.UID ||
		(old.DeletionTimestamp == nil) != (is.DeletionTimestamp == nil) ||
		!reflect.DeepEqual(old.OwnerReferences, is.OwnerReferences))
}

// nodeChanged: it is fenced, or not any more. That is rare.
func nodeChanged(old, is *corev1.Node) urgency {
	return when(petset.Fenced(old) != petset.Fenced(is))
}

// volumeChanged: it is marked as lost, or not any more.
func volumeChanged(old, is *corev1.PersistentVolume) urgency {
	return when(old.Annotations[v1alpha1.LostAnnotation] != is.Annotations[v1alpha1.LostAnnotation] ||
		old.Spec.PersistentVolumeReclaimPolicy != is.Spec.PersistentVolumeReclaimPolicy)
}

// revisionChanged: their data cannot change; that they come or go is enough.
func revisionChanged(old, is *apps.ControllerRevision) urgency {
	return when(!reflect.DeepEqual(old.OwnerReferences, is.OwnerReferences))
}
