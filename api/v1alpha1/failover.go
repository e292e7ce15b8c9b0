package v1alpha1

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
