package controller

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mainstay-io/mainstay/internal/petset"
)

// tell sends an event about an action. Reasons and messages are upstream's:
// people match on them.
func (r *reconciler) tell(set client.Object, action petset.Action, err error) {
	switch {
	case action.Warning != "" && action.Verb == petset.DeletePod:
		r.events.Event(set, corev1.EventTypeWarning, "ReplacedOrRemoved", action.Warning)
	case action.Warning != "":
		r.events.Event(set, corev1.EventTypeWarning, "ConflictingController", action.Warning)
	}
	if err != nil && (apierrors.IsConflict(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)) {
		// Nothing that a user could do about, or need to know.
		return
	}
	if err == nil && action.Verb == petset.DeletePod {
		r.tellRecreation(set, action.Pod)
	}
	kind := r.kind.groupVersionKind().Kind
	verb, object := eventText(set.GetName(), action)
	if err == nil {
		r.events.Eventf(set, corev1.EventTypeNormal, "Successful"+verb, "%s %s in %s %s successful", verb, object, kind, set.GetName())
	} else {
		r.events.Eventf(set, corev1.EventTypeWarning, "Failed"+verb, "%s %s in %s %s failed error: %s", verb, object, kind, set.GetName(), err)
	}
}

func eventText(set string, action petset.Action) (verb, object string) {
	switch action.Verb {
	case petset.CreateClaim, petset.CreatePod:
		verb = "Create"
	case petset.UpdateClaim, petset.UpdatePod:
		verb = "Update"
	case petset.ResizePod:
		verb = "Resize"
	case petset.DeletePod:
		verb = "Delete"
	}
	if action.Claim != nil {
		return verb, fmt.Sprintf("Claim %s Pod %s-%d", action.Claim.Name, set, action.Ordinal)
	}
	return verb, "Pod " + action.Pod.Name
}

// tellRecreation names the cause when a pod is deleted because it ended.
func (r *reconciler) tellRecreation(set client.Object, pod *corev1.Pod) {
	switch pod.Status.Phase {
	case corev1.PodFailed:
		r.events.Eventf(set, corev1.EventTypeWarning, "RecreatingFailedPod",
			"%s is recreating failed Pod %s", describeSet(r.kind, set), pod.Name)
	case corev1.PodSucceeded:
		r.events.Eventf(set, corev1.EventTypeNormal, "RecreatingTerminatedPod",
			"%s is recreating terminated Pod %s", describeSet(r.kind, set), pod.Name)
	}
}
