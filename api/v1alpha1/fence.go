package v1alpha1

import corev1 "k8s.io/api/core/v1"

// The conditions that the fence's judge sets on a Node.
const (
	// NodeFenced: the node runs no pet, and its pets are started elsewhere. The message
	// says by what it was fenced.
	NodeFenced corev1.NodeConditionType = "mainstay.dev/Fenced"
	// NodeFenceHeld: the node seems lost, but is not fenced: too many seem lost at once (reason
	// TooManyLost), or too few of those that may vouch for it can be asked (NotRefused).
	NodeFenceHeld corev1.NodeConditionType = "mainstay.dev/FenceHeld"
)

// FencedTaint keeps pods from a Node that is fenced, with the effect NoSchedule. It evicts
// nobody: pods that are no pets are left to Kubernetes. (Kubernetes' own taint for nodes
// that are surely down, KEP-2268, would have those removed that wait for the node to stop
// them, and nobody knows that they have stopped.)
const FencedTaint = "mainstay.dev/fenced"

// FenceReporter is the reporting controller of the judge's events.
const FenceReporter = "mainstay-judge"

// The reasons of the judge's events, in the order of a failover.
const (
	// EventLeaseLost on a Node: it has not renewed its lease. It is fenced next, unless it
	// takes the lease back.
	EventLeaseLost = "LeaseLost"
	// EventFenceHeld on a Node: it seems lost, but is not fenced.
	EventFenceHeld = "FenceHeld"
	// EventFenced on a Node, with the means.
	EventFenced = "Fenced"
	// EventFailedOver on a pod that was taken from its node, which is the related object,
	// and on the pod's owner, to which the pod is related.
	EventFailedOver = "FailedOver"
	// EventVolumeReleased on a claim whose volume is no more attached to a fenced node.
	EventVolumeReleased = "VolumeReleased"
	// EventRecovered on the pod that has taken the place of one that was taken, when it is
	// Ready.
	EventRecovered = "Recovered"
	// EventLeaseAcquired on a Node: it takes part again.
	EventLeaseAcquired = "LeaseAcquired"
)

// A part of a node that leads by a Lease in kube-system, with the node's name as the
// holder, labels it with LeaderLabel: LeaderNode. When the node is fenced the judge takes the
// Lease from it, so that another need not wait until it runs out. The part owes for
// that, that it begins nothing once the node's own lease has run out.
const (
	LeaderLabel = "mainstay.dev/leader"
	LeaderNode  = "node"
)
