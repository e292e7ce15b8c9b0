package petset

import (
	corev1 "k8s.io/api/core/v1"
)

// Verb is what an action does.
type Verb string

// The verbs, in the order in which a pet may need them.
const (
	CreateClaim Verb = "create claim"
	UpdateClaim Verb = "update claim"
	DeleteClaim Verb = "delete claim"
	// UpdateVolume marks a volume that is kept, or takes that back.
	UpdateVolume Verb = "update volume"
	CreatePod    Verb = "create pod"
	UpdatePod    Verb = "update pod"
	// ResizePod writes the resources of the containers, which have a subresource
	// of their own.
	ResizePod Verb = "resize pod"
	// DrainPod begins the set's drain in a pod, unless it is under way. Whoever
	// carries it out does not wait for it.
	DrainPod  Verb = "drain pod"
	DeletePod Verb = "delete pod"
)

// Stage orders the actions of a plan. Within a stage the actions for one
// ordinal follow each other, those for different ordinals may run at once. A
// stage starts when every action of the stages before it has succeeded.
type Stage int

// The stages, in their order.
const (
	StageKeep    Stage = iota // the pets that should exist do, and are themselves
	StageMark                 // the claims of pets to be scaled away have their owners
	StageScaleIn              // pets to be scaled away go
	StageUpdate               // pets on another revision make room for their successors
	StageClaims               // claims grow, or make room for others
)

// Action is one write to the API server.
type Action struct {
	Verb    Verb
	Stage   Stage
	Ordinal int
	// Pod is what to create, what to update to, or what to delete: then its
	// UID is the precondition, and it gets all the grace that it asks for.
	Pod *corev1.Pod
	// Claim is what to create or to update to, or what to delete: then its UID is
	// the precondition.
	Claim *corev1.PersistentVolumeClaim
	// Volume is what to update to.
	Volume *corev1.PersistentVolume
	// ElseDelete: a pod that the API server will not change so is to be deleted
	// instead.
	ElseDelete bool
	Reason     string
	// Warning is what the user should hear beside it, if anything.
	Warning string
}

// Object names what the action acts on.
func (a Action) Object() string {
	switch {
	case a.Claim != nil:
		return a.Claim.Name
	case a.Volume != nil:
		return a.Volume.Name
	}
	return a.Pod.Name
}
