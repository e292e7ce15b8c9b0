package controller

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
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
	kind, name := r.kind.groupVersionKind().Kind, set.GetName()
	object := "Pod " + name + "-" + strconv.Itoa(action.Ordinal)
	switch verb := eventVerb(action.Verb); {
	case action.Volume != nil && err == nil && action.Volume.Annotations[v1alpha1.LostAnnotation] == "":
		r.events.Eventf(set, corev1.EventTypeNormal, "VolumeFound", "Volume %s of %s: %s", action.Volume.Name, object, action.Reason)
	case action.Volume != nil && err == nil:
		r.events.Eventf(set, corev1.EventTypeWarning, "VolumeLost", "Volume %s of %s: %s", action.Volume.Name, object, action.Reason)
	case action.Volume != nil:
		r.events.Eventf(set, corev1.EventTypeWarning, "Failed"+verb, "%s Volume %s of %s failed error: %s", verb, action.Volume.Name, object, err)
	case action.Claim != nil && err == nil:
		r.events.Eventf(set, corev1.EventTypeNormal, "Successful"+verb, "%s Claim %s %s in %s %s success", verb, action.Claim.Name, object, kind, name)
	case action.Claim != nil:
		r.events.Eventf(set, corev1.EventTypeWarning, "Failed"+verb, "%s Claim %s for %s in %s %s failed error: %s", verb, action.Claim.Name, object, kind, name, err)
		if action.Verb == petset.CreateClaim {
			r.events.Eventf(set, corev1.EventTypeWarning, "FailedCreate", "Create %s in %s %s failed error: failed to create PVC %s: %s", object, kind, name, action.Claim.Name, err)
		}
	case err == nil:
		r.events.Eventf(set, corev1.EventTypeNormal, "Successful"+verb, "%s %s in %s %s successful", verb, object, kind, name)
	default:
		r.events.Eventf(set, corev1.EventTypeWarning, "Failed"+verb, "%s %s in %s %s failed error: %s", verb, object, kind, name, err)
	}
}

// tellUncreatable sends an event about each pod that cannot be created yet.
func (r *reconciler) tellUncreatable(set client.Object, plan petset.Plan) {
	for _, pod := range plan.Uncreatable {
		r.events.Eventf(set, corev1.EventTypeWarning, "FailedCreate", "Create Pod %s in %s %s failed error: %s",
			pod.Pod, r.kind.groupVersionKind().Kind, set.GetName(), pod.Reason)
	}
}

func eventVerb(verb petset.Verb) string {
	switch verb {
	case petset.CreateClaim, petset.CreatePod:
		return "Create"
	case petset.DeletePod, petset.DeleteClaim:
		return "Delete"
	case petset.ResizePod:
		return "Resize"
	default:
		return "Update"
	}
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
