package controller

import (
	"fmt"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/mainstay-io/mainstay/internal/petset"
)

// tell sends an event about an action. Reasons and messages are upstream's:
// people match on them.
func (r *reconciler) tell(set *apps.StatefulSet, action petset.Action, err error) {
	if action.Warning != "" {
		r.events.Event(set, corev1.EventTypeWarning, "ConflictingController", action.Warning)
	}
	if err != nil && (apierrors.IsConflict(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)) {
		// Nothing that a user could do about, or need to know.
		return
	}
	if err == nil && action.Verb == petset.DeletePod {
		r.tellRecreation(set, action.Pod)
	}
	verb, object := eventText(set.Name, action)
	if err == nil {
		r.events.Eventf(set, corev1.EventTypeNormal, "Successful"+verb, "%s %s in StatefulSet %s successful", verb, object, set.Name)
	} else {
		r.events.Eventf(set, corev1.EventTypeWarning, "Failed"+verb, "%s %s in StatefulSet %s failed error: %s", verb, object, set.Name, err)
	}
}

func eventText(set string, action petset.Action) (verb, object string) {
	switch action.Verb {
	case petset.CreateClaim, petset.CreatePod:
		verb = "Create"
	case petset.UpdateClaim, petset.UpdatePod:
		verb = "Update"
	case petset.DeletePod:
		verb = "Delete"
	}
	if action.Claim != nil {
		return verb, fmt.Sprintf("Claim %s Pod %s-%d", action.Claim.Name, set, action.Ordinal)
	}
	return verb, "Pod " + action.Pod.Name
}

// tellRecreation names the cause when a pod is deleted because it ended.
func (r *reconciler) tellRecreation(set *apps.StatefulSet, pod *corev1.Pod) {
	switch pod.Status.Phase {
	case corev1.PodFailed:
		r.events.Eventf(set, corev1.EventTypeWarning, "RecreatingFailedPod",
			"StatefulSet %s/%s is recreating failed Pod %s", set.Namespace, set.Name, pod.Name)
	case corev1.PodSucceeded:
		r.events.Eventf(set, corev1.EventTypeNormal, "RecreatingTerminatedPod",
			"StatefulSet %s/%s is recreating terminated Pod %s", set.Namespace, set.Name, pod.Name)
	}
}
