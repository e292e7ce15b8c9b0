package v1alpha1

// Annotations of an apps/v1 StatefulSet, which has no field for what they say.
const (
	// RecoveryAnnotation is the field recovery.brokenRevision of a PetSet. Without
	// it, the set waits.
	RecoveryAnnotation = "mainstay.dev/recovery"
	// FailoverAnnotation is the field failover.policy of a PetSet: Fenced, which is
	// the default, or Manual.
	FailoverAnnotation = "mainstay.dev/failover"
	// FailoverAfterAnnotation is the field failover.afterSeconds of a PetSet. The
	// pods of both kinds bear it, too, if it is more than 0.
	FailoverAfterAnnotation = "mainstay.dev/failover-after-seconds"
)

// Annotations that the controller keeps its own notes in. They are read by
// people, and written by nobody else.
const (
	// InPlaceAnnotation on a pod says which change in place is under way.
	InPlaceAnnotation = "mainstay.dev/in-place"
	// DrainStartedAnnotation on a pod is when it was first told to drain.
	DrainStartedAnnotation = "mainstay.dev/drain-started"
	// DrainedAnnotation on a pod is when it had drained.
	DrainedAnnotation = "mainstay.dev/drained"
)
