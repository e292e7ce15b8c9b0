package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// PetSetStatus is what is there. Its counters are those of a StatefulSet.
type PetSetStatus struct {
	// The generation of the spec that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Pods that are there, those included that are on their way out.
	// +optional
	Replicas int32 `json:"replicas"`
	// Pods that are ready.
	// +optional
	ReadyReplicas int32 `json:"readyReplicas"`
	// Pods that have been ready for minReadySeconds.
	// +optional
	AvailableReplicas int32 `json:"availableReplicas"`
	// Pods on currentRevision.
	// +optional
	CurrentReplicas int32 `json:"currentReplicas"`
	// Pods on updateRevision.
	// +optional
	UpdatedReplicas int32 `json:"updatedReplicas"`
	// The revision that pods are on that an update has not reached.
	// +optional
	CurrentRevision string `json:"currentRevision,omitempty"`
	// The revision that the spec describes.
	// +optional
	UpdateRevision string `json:"updateRevision,omitempty"`
	// How often the name of a new revision was taken already.
	// +optional
	CollisionCount *int32 `json:"collisionCount,omitempty"`
	// The selector as text, for the scale subresource and autoscalers.
	// +optional
	Selector string `json:"selector,omitempty"`
	// Available, Progressing and Stuck: why the set is not done, if it is not.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// The conditions of a set.
const (
	// ConditionAvailable is True when every pet that should exist is available.
	ConditionAvailable = "Available"
	// ConditionProgressing is True while there is something left to do; the
	// message names the pet that is waited for, and why.
	ConditionProgressing = "Progressing"
	// ConditionStuck is True when somebody has to do something; the reason is
	// one of those below, and the message names the pet and the cause.
	ConditionStuck = "Stuck"
)

// The reasons of the condition Stuck.
const (
	// ReasonImage: the image of a container cannot be had. Put the name right, or
	// bring the image to the node.
	ReasonImage = "Image"
	// ReasonCrash: a container cannot be started, or ends again and again. Its logs
	// say why.
	ReasonCrash = "Crash"
	// ReasonUnschedulable: no node can take the pod. The message says what the nodes
	// lack.
	ReasonUnschedulable = "Unschedulable"
	// ReasonClaim: a claim cannot become what its template says.
	ReasonClaim = "Claim"
	// ReasonVolumeLost: the node of a volume is lost, and no other node has the
	// volume. The message says what the pet waits for; spec.volumeLoss says what
	// there is to choose.
	ReasonVolumeLost = "VolumeLost"
	// ReasonDependency: what the set depends on is not ready.
	ReasonDependency = "Dependency"
	// ReasonDrain: a pet did not drain in time, and is held. Put right what keeps it
	// from that; it is asked again and again.
	ReasonDrain = "Drain"
	// ReasonInvalid: the spec says what cannot be done. Nothing is done until it is
	// changed.
	ReasonInvalid = "Invalid"
	// ReasonRefused: the API server refuses what the set needs: a quota, a policy, a
	// webhook. It is tried again.
	ReasonRefused = "Refused"
)
