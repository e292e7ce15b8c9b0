package fence

import (
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// Takeaway is what is deleted in the API because its node was fenced: all with no
// grace, and on the condition that it is as it was read.
type Takeaway struct {
	Pods        []corev1.Pod
	Attachments []Attached
	Reason      string
	// Again is when to look again, from now; 0: as soon as may be.
	Again time.Duration
}

// Attached is a volume that is attached to a node.
type Attached struct {
	storagev1.VolumeAttachment
	// Claim is the volume's; nil: it has none.
	Claim *corev1.ObjectReference
	// InUse is how kubelet calls it while it is mounted; empty: it cannot be told.
	InUse corev1.UniqueVolumeName
}

// claim is as in claimsOf.
func (a Attached) claim() string {
	if a.Claim == nil {
		return ""
	}
	return a.Claim.Namespace + "/" + a.Claim.Name
}

const (
	// lively is how long after its fencing a node is looked at again and again: what
	// was bound to it just before may show late.
	lively = 10 * time.Second
	// leisure is how often it is looked at later. The scheduler binds nothing to it.
	leisure = 5 * time.Second
	// underWay is how often while something is being detached from it.
	underWay = time.Second
)

// Failover says what to take from a node that a judge ordered to fail over. The
// caller owes the order of its reads, each by quorum: first pods and attachments, then
// the lease. Then a pod that the node claims in a later epoch has another
// resourceVersion than the one here. pods and attached may be of any node.
//
// A volume goes when no pod of the node uses it any more, as else the attach-detach
// controller would attach it again.
func Failover(order Action, read Lease, pods []corev1.Pod, attached []Attached) Takeaway {
	// In another epoch the wait is another, too.
	if read.State != Fenced || read.Epoch != order.Lease.Epoch || read.Subject() != order.Lease.Subject() {
		return Takeaway{}
	}
	taken := Takeaway{Reason: fmt.Sprintf("node %s is fenced (epoch %d): nothing runs there", read.Node, read.Epoch), Again: leisure}
	inUse := map[string]bool{}
	for _, pod := range pods {
		if pod.Spec.NodeName != read.Node {
			continue
		}
		for _, claim := range claimsOf(pod) {
			inUse[claim] = true
		}
		if !IsPet(&pod) {
			continue
		}
		if left := patience(&pod) - order.For; left > 0 {
			taken.Again = min(taken.Again, left)
			continue
		}
		taken.Pods = append(taken.Pods, pod)
	}
	for _, a := range attached {
		switch {
		case a.Spec.NodeName != read.Node:
		case a.DeletionTimestamp != nil:
			taken.Again = min(taken.Again, underWay)
		case !inUse[a.claim()]:
			taken.Attachments = append(taken.Attachments, a)
		}
	}
	if len(taken.Pods)+len(taken.Attachments) > 0 || order.For < lively {
		taken.Again = 0
	}
	return taken
}

// IsPet tells whether a pod is started elsewhere when its node is fenced. The label is
// given when the pod is made, and nobody can change it later.
func IsPet(pod *corev1.Pod) bool {
	return pod.Labels[v1alpha1.FailoverLabel] == v1alpha1.FailoverFenced
}

// patience is how long a pet's node must have been fenced. What is no number asks for
// no patience.
func patience(pod *corev1.Pod) time.Duration {
	seconds, _ := strconv.ParseInt(pod.Annotations[v1alpha1.FailoverAfterAnnotation], 10, 32)
	return time.Duration(seconds) * time.Second
}

// claimsOf are those of a pod, as NAMESPACE/NAME.
func claimsOf(pod corev1.Pod) (claims []string) {
	for _, v := range pod.Spec.Volumes {
		switch {
		case v.PersistentVolumeClaim != nil:
			claims = append(claims, pod.Namespace+"/"+v.PersistentVolumeClaim.ClaimName)
		case v.Ephemeral != nil:
			claims = append(claims, pod.Namespace+"/"+pod.Name+"-"+v.Name)
		}
	}
	return claims
}

// DeleteOptions hold the preconditions of rule 9.
func DeleteOptions(object metav1.Object) metav1.DeleteOptions {
	uid, version := object.GetUID(), object.GetResourceVersion()
	return metav1.DeleteOptions{
		GracePeriodSeconds: new(int64),
		Preconditions:      &metav1.Preconditions{UID: &uid, ResourceVersion: &version},
	}
}
