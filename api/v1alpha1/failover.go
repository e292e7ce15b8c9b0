package v1alpha1

// FailoverLabel is that of a pod which is started elsewhere, when its node is lost,
// as soon as the node is fenced. It is given when the pod is made, and cannot be changed:
// the node has to know as much as those who take the pod from it.
const FailoverLabel = "mainstay.dev/failover"

// FailoverFenced is the value of FailoverLabel.
const FailoverFenced = "Fenced"
