package fence

import "time"

// Verb is what an action of a keeper or a judge does.
type Verb string

// What a keeper asks for.
const (
	// ReadLease reads the node's own Lease by quorum. Its answer goes to Answered.
	ReadLease Verb = "read lease"
	// WriteLease creates or updates a Lease, with its Version as the precondition.
	// The keeper's answer goes to Answered; a judge sees the outcome when it next observes.
	WriteLease Verb = "write lease"
	// AskMembers asks each of Members to vouch. Their words go to Vouched.
	AskMembers Verb = "ask members to vouch"
	// ExtendDeadline writes the Deadline, before anything runs by it.
	ExtendDeadline Verb = "extend deadline"
	// StopPets writes a Deadline with Until = 0, freezes all pets, then kills them, and goes
	// on until none is left; then comes Stopped. It cancels a ClaimPets under way.
	StopPets Verb = "stop pets"
	// ClaimPets reads by quorum which pods are the node's, writes to each with its
	// resourceVersion as precondition, and lets run those that took it. A pod that a
	// watch from that read shows to be bound later needs no claim; one that neither
	// shows, though kubelet may remember it, does not run.
	ClaimPets Verb = "claim pets"
)

// What a judge asks for, besides WriteLease.
const (
	// AskRefusals asks each of Members to refuse the Lease's epoch. Answers go to Refused.
	AskRefusals Verb = "ask members to refuse"
	// FailOver takes the node's pets from it: see Failover.
	FailOver Verb = "fail over"
)

// Action is something to be done, and why.
type Action struct {
	Verb Verb
	// ID is what the answer names.
	ID      uint64
	Lease   Lease
	Subject Subject
	Epoch   int32
	Until   Instant
	// For is how long the judge has seen the node Fenced in this epoch.
	For     time.Duration
	Members []string
	Reason  string
}
