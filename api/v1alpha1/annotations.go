package v1alpha1

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
