package v1alpha1

import (
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// UpdateStrategy says how pets come to run a new template.
//
// +kubebuilder:validation:XValidation:rule="self.type != 'OnDelete' || !has(self.rollingUpdate)",message="spec.updateStrategy.rollingUpdate goes with type RollingUpdate; remove it, or set the type"
type UpdateStrategy struct {
	// RollingUpdate replaces the pods by itself; OnDelete waits until somebody
	// deletes them, the broken ones included.
	// +kubebuilder:default=RollingUpdate
	// +kubebuilder:validation:Enum=RollingUpdate;OnDelete
	// +optional
	Type appsv1.StatefulSetUpdateStrategyType `json:"type,omitempty"`
	// How a rolling update goes.
	// +optional
	RollingUpdate *RollingUpdate `json:"rollingUpdate,omitempty"`
}

// RollingUpdate says in which order pets are replaced, and how many at a time.
//
// +kubebuilder:validation:XValidation:rule="has(self.leaderSelector) == (has(self.order) && self.order == 'LeaderLast')",message="order LeaderLast needs a leaderSelector that tells the leader by its labels; no other order takes one"
type RollingUpdate struct {
	// So many pets, those with the lowest ordinals, keep the old template. A pod of
	// theirs that is lost comes back with the old template, too.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:default=0
	// +optional
	Partition *int32 `json:"partition,omitempty"`
	// How many pets may be unavailable during an update, for whatever reason: a
	// number, or a percentage of replicas, rounded down. At least 1, which is the
	// default.
	// +kubebuilder:validation:XIntOrString
	// +optional
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`
	// Descending begins with the highest ordinal, Ascending with the lowest.
	// LeaderLast is Descending, but pets that carry the labels of leaderSelector
	// at that moment come after all others.
	// +kubebuilder:default=Descending
	// +optional
	Order UpdateOrder `json:"order,omitempty"`
	// The labels that the application, or its operator, puts on the pod that leads.
	// It goes with order LeaderLast.
	// +optional
	LeaderSelector *metav1.LabelSelector `json:"leaderSelector,omitempty"`
	// No pet is replaced because of its template while this is true, not even a
	// broken one. A pod that is lost comes back with the new template.
	// +optional
	Paused bool `json:"paused,omitempty"`
	// IfPossible changes a running pod when only images, or the CPU and memory, of
	// its containers differ: the pod keeps its node, its address and its volumes.
	// Containers with another image are restarted. Where the node cannot do it, and
	// for every other change, the pet gets a new pod. Never makes a new pod for each
	// change.
	// +kubebuilder:default=Never
	// +optional
	InPlace InPlacePolicy `json:"inPlace,omitempty"`
}

// UpdateOrder is the order in which pets are replaced.
//
// +kubebuilder:validation:Enum=Descending;Ascending;LeaderLast
type UpdateOrder string

// The orders.
const (
	Descending UpdateOrder = "Descending"
	Ascending  UpdateOrder = "Ascending"
	LeaderLast UpdateOrder = "LeaderLast"
)

// InPlacePolicy says whether running pods are changed.
//
// +kubebuilder:validation:Enum=Never;IfPossible
type InPlacePolicy string

// The policies.
const (
	InPlaceNever      InPlacePolicy = "Never"
	InPlaceIfPossible InPlacePolicy = "IfPossible"
)

// Recovery says what is done about pets that cannot become ready.
type Recovery struct {
	// What becomes of a pet that is not ready, and whose template is no longer the
	// wanted one. Replace: it gets a new pod at once, from the wanted template.
	// Wait: it stays as it is until somebody deletes its pod, as with a StatefulSet
	// (kubernetes#67250).
	// +kubebuilder:default=Replace
	// +optional
	BrokenRevision BrokenRevisionPolicy `json:"brokenRevision,omitempty"`
}

// BrokenRevisionPolicy says what becomes of a pet that an unwanted revision
// keeps from being ready.
//
// +kubebuilder:validation:Enum=Replace;Wait
type BrokenRevisionPolicy string

// The policies.
const (
	BrokenRevisionReplace BrokenRevisionPolicy = "Replace"
	BrokenRevisionWait    BrokenRevisionPolicy = "Wait"
)
