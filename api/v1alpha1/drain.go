package v1alpha1

import corev1 "k8s.io/api/core/v1"

// Drain is what a pet does before it is scaled away: moves its data to others,
// leaves its cluster. It may be asked for more than once, and must bear that. A pet
// that began to drain and is wanted again gets a new pod.
//
// +kubebuilder:validation:XValidation:rule="has(self.exec) != has(self.httpGet)",message="spec.drain takes either exec or httpGet"
type Drain struct {
	// A command in the pet. It has succeeded when it ends with status 0; else it is
	// run again after 5 s.
	// +optional
	Exec *corev1.ExecAction `json:"exec,omitempty"`
	// A request to the pet. It has succeeded with an answer from 200 to 299, but for
	// 202, which says that the drain goes on. Until then it is sent again every 5 s.
	// +optional
	HTTPGet *corev1.HTTPGetAction `json:"httpGet,omitempty"`
	// The container of exec; the first when it is not given.
	// +optional
	Container string `json:"container,omitempty"`
	// How long it may take with all attempts, in seconds.
	// +kubebuilder:default=300
	// +kubebuilder:validation:Minimum=1
	// +optional
	TimeoutSeconds int32 `json:"timeoutSeconds,omitempty"`
	// What happens when it did not succeed in that time: Hold keeps the pet, goes on
	// trying, and says so in the condition Stuck; Proceed removes it all the same.
	// +kubebuilder:default=Hold
	// +optional
	OnTimeout DrainTimeoutPolicy `json:"onTimeout,omitempty"`
}

// DrainTimeoutPolicy says what happens to a pet that was not drained in time.
//
// +kubebuilder:validation:Enum=Hold;Proceed
type DrainTimeoutPolicy string

// The policies.
const (
	DrainHold    DrainTimeoutPolicy = "Hold"
	DrainProceed DrainTimeoutPolicy = "Proceed"
)
