package v1alpha1

// Failover says what becomes of a pet when its node is lost. A pet has what the set
// says when its pod is made: a change reaches it with its next pod, and restarts
// nothing.
type Failover struct {
	// Fenced: as soon as it is sure that nothing of the pet runs on its node any
	// more, and that the node can write no volume, the pet starts on another one,
	// under its name and with its claims. Manual: its pod stays until somebody
	// deletes it, or the node is back. To that end it tolerates the taint of a
	// node that is not reached, unless the template says for how long.
	// +kubebuilder:default=Fenced
	// +optional
	Policy FailoverPolicy `json:"policy,omitempty"`
	// How long a node must have been fenced before the pet is taken from it, in
	// seconds. If the node is back before, the pet stays.
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +optional
	AfterSeconds int32 `json:"afterSeconds,omitempty"`
}

// FailoverPolicy says whether pets are started elsewhere when their node is lost. The
// policies are FailoverFenced and FailoverManual.
//
// +kubebuilder:validation:Enum=Fenced;Manual
type FailoverPolicy string

// FailoverManual is the policy of sets whose pods do not bear FailoverLabel.
const FailoverManual = "Manual"

// FailoverLabel is that of a pod which is started elsewhere, when its node is lost,
// as soon as the node is fenced. It is given when the pod is made, and cannot be changed:
// the node has to know as much as those who take the pod from it.
const FailoverLabel = "mainstay.dev/failover"

// FailoverFenced is the value of FailoverLabel.
const FailoverFenced = "Fenced"

// FailoverAfterAnnotation on a pod with FailoverLabel is how many seconds its node
// must have been fenced before the pod is started elsewhere; without it, none. The
// judge counts them by its own clock, from when it first saw the node fenced.
const FailoverAfterAnnotation = "mainstay.dev/failover-after-seconds"
