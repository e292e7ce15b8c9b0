package fence

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Takeaway is what is deleted in the API because its node was fenced: all with no
// grace, and on the condition that it is as it was read.
type Takeaway struct {
	Pods        []corev1.Pod
	Attachments []storagev1.VolumeAttachment
	Reason      string
}

// Failover says what to take from a node. The caller owes the order of its reads,
// each by quorum: first pods and attachments, then the lease. Then a pod that the
// node claims in a later epoch has another resourceVersion than the one here. pods
// are pets, attachments those of pets' volumes; both of any node.
//
// Attachments go when the node has no pet left, as else the attach-detach controller
// would attach again.
func Failover(lease Lease, pods []corev1.Pod, attachments []storagev1.VolumeAttachment) Takeaway {
	taken := Takeaway{Reason: fmt.Sprintf("node %s is fenced (epoch %d): nothing runs there", lease.Node, lease.Epoch)}
	if lease.State != Fenced {
		return Takeaway{}
	}
	for _, pod := range pods {
		if pod.Spec.NodeName == lease.Node {
			taken.Pods = append(taken.Pods, pod)
		}
	}
	if len(taken.Pods) > 0 {
		return taken
	}
	for _, attachment := range attachments {
		if attachment.Spec.NodeName == lease.Node {
			taken.Attachments = append(taken.Attachments, attachment)
		}
	}
	return taken
}

// DeleteOptions hold the preconditions of rule 9.
func DeleteOptions(object metav1.Object) metav1.DeleteOptions {
	uid, version := object.GetUID(), object.GetResourceVersion()
	return metav1.DeleteOptions{
		GracePeriodSeconds: new(int64),
		Preconditions:      &metav1.Preconditions{UID: &uid, ResourceVersion: &version},
	}
}
