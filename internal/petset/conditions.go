package petset

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// The reasons of the conditions Available and Progressing. Those of Stuck are
// part of the API.
const (
	reasonAllAvailable = "AllAvailable"
	reasonUnavailable  = "PetsUnavailable"
	reasonWorking      = "Working"
	reasonDone         = "Done"
	reasonNothingStuck = "NothingStuck"
)

// Trouble is why a pet does not get on by itself.
type Trouble struct {
	Pod     string
	Reason  string // one of the reasons of the condition Stuck
	Message string
}

// conditions answers why a set is not done. The time of a condition changes with
// its status alone.
func conditions(before []metav1.Condition, plan Plan) []metav1.Condition {
	after := append([]metav1.Condition{}, before...)
	set := func(kind string, is bool, reason, message string) {
		setCondition(&after, plan.Status.ObservedGeneration, plan.Now, kind, is, reason, message)
	}
	if missing := plan.Wanted - int(plan.Status.AvailableReplicas); missing > 0 {
		set(v1alpha1.ConditionAvailable, false, reasonUnavailable,
			fmt.Sprintf("%d of %d pets are available", plan.Status.AvailableReplicas, plan.Wanted))
	} else {
		set(v1alpha1.ConditionAvailable, true, reasonAllAvailable, fmt.Sprintf("all %d pets are available", plan.Wanted))
	}
	switch {
	case len(plan.Waits) > 0:
		set(v1alpha1.ConditionProgressing, true, reasonWorking, plan.Waits[0].Pod+": "+plan.Waits[0].Reason)
	case len(plan.Actions) > 0:
		set(v1alpha1.ConditionProgressing, true, reasonWorking, plan.Actions[0].Object()+": "+plan.Actions[0].Reason)
	default:
		set(v1alpha1.ConditionProgressing, false, reasonDone, "the set is what was asked for")
	}
	if plan.Trouble != nil {
		set(v1alpha1.ConditionStuck, true, plan.Trouble.Reason, strings.TrimSpace(plan.Trouble.Pod+" "+plan.Trouble.Message))
	} else {
		set(v1alpha1.ConditionStuck, false, reasonNothingStuck, "")
	}
	return after
}

func setCondition(in *[]metav1.Condition, generation int64, now time.Time, kind string, is bool, reason, message string) {
	status := metav1.ConditionFalse
	if is {
		status = metav1.ConditionTrue
	}
	meta.SetStatusCondition(in, metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message,
		ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now.Truncate(time.Second))})
}

// trouble returns that of the first pet that has any.
func (r *round) trouble() *Trouble {
	if len(r.Pods) == 0 && len(r.Unready) > 0 && len(r.replicas) > 0 {
		return &Trouble{Pod: r.Set.PodName(r.replicas[0].ordinal), Reason: v1alpha1.ReasonDependency, Message: "waits: the set depends on " + strings.Join(r.Unready, ", and on ")}
	}
	for _, p := range r.held {
		return &Trouble{Pod: r.Set.PodName(p.ordinal), Reason: v1alpha1.ReasonDrain, Message: "did not drain in time and is held: " + r.lastFailure(p)}
	}
	for _, p := range r.replicas {
		if message := r.claimTrouble(p); message != "" {
			return &Trouble{Pod: r.Set.PodName(p.ordinal), Reason: v1alpha1.ReasonClaim, Message: message}
		}
	}
	for _, p := range r.replicas {
		if message := r.lossStory(p); message != "" {
			return &Trouble{Pod: r.Set.PodName(p.ordinal), Reason: v1alpha1.ReasonVolumeLost, Message: message}
		}
	}
	for _, pets := range [][]pet{r.replicas, r.condemned} {
		for _, p := range pets {
			if reason, message := p.trouble(); reason != "" {
				return &Trouble{Pod: r.Set.PodName(p.ordinal), Reason: reason, Message: message}
			}
		}
	}
	return nil
}

// trouble finishes the sentence "the pet …". The first rule that matches is what
// a person should look at first. Empty when the pet may get on by itself.
func (p pet) trouble() (reason, message string) {
	if p.pod == nil || p.ready || p.terminating {
		return "", ""
	}
	for _, condition := range p.pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Reason == corev1.PodReasonUnschedulable {
			return v1alpha1.ReasonUnschedulable, "finds no node: " + condition.Message
		}
	}
	for _, containers := range [][]corev1.ContainerStatus{p.pod.Status.InitContainerStatuses, p.pod.Status.ContainerStatuses} {
		for _, container := range containers {
			if reason, message := containerTrouble(container); reason != "" {
				return reason, message
			}
		}
	}
	return "", ""
}

func containerTrouble(container corev1.ContainerStatus) (reason, message string) {
	if container.State.Waiting == nil {
		return "", ""
	}
	switch container.State.Waiting.Reason {
	case "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName":
		return v1alpha1.ReasonImage, "lacks the image of container " + container.Name + ": " + container.State.Waiting.Message
	case "CrashLoopBackOff":
		status := int32(0)
		if ended := container.LastTerminationState.Terminated; ended != nil {
			status = ended.ExitCode
		}
		return v1alpha1.ReasonCrash, fmt.Sprintf("crashes again and again: container %s ended with status %d, see kubectl logs --previous", container.Name, status)
	case "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
		return v1alpha1.ReasonCrash, "cannot start container " + container.Name + ": " + container.State.Waiting.Message
	}
	return "", ""
}

// Refused notes in a plan that the API server refused one of its actions, as
// what keeps the set from getting on.
func (p Plan) Refused(err error) Plan {
	if p.Trouble == nil && err != nil {
		p.Trouble = &Trouble{Reason: v1alpha1.ReasonRefused, Message: err.Error()}
	}
	return p
}

// Attention is what a controller should look at a pod for again when it changes,
// beside its phase, readiness and labels.
type Attention struct {
	reason, message              string
	noted, changing, unfulfilled bool
	infeasible, drained          bool
}

// AttentionTo returns what there is in a pod.
func AttentionTo(pod *corev1.Pod) Attention {
	p := petOf(pod)
	out := Attention{drained: p.drained}
	out.reason, out.message = p.trouble()
	if _, out.noted = pod.Annotations[v1alpha1.InPlaceAnnotation]; out.noted {
		note := p.changing
		out.changing, out.infeasible = note != nil, p.infeasible()
		out.unfulfilled = note != nil && note.lacksResources(pod)
	}
	return out
}
