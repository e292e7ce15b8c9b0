package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"

	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/util/retry"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/fence"
)

// outOfService is Kubernetes' own taint for a node that is surely down (KEP-2268):
// without it the attach-detach controller waits six minutes for the node to unmount.
// It evicts nobody: pods that are no pets are left to Kubernetes.
var outOfService = core.Taint{Key: core.TaintNodeOutOfService, Value: "fenced", Effect: core.TaintEffectNoSchedule}

// failOver takes from a fenced node what is its own no more. It is called again and
// again while the node is fenced.
func (j *Judge) failOver(ctx context.Context, lease fence.Lease) error {
	ctx, cancel := context.WithTimeout(ctx, j.Terms.Wait)
	defer cancel()
	j.mark(ctx, lease.Node, true)
	// The cache tells cheaply whether there is anything to do; what is done follows
	// from what is read by quorum, in this order.
	pods, attachments, err := j.onNode(ctx, lease.Node, "0")
	if err != nil || len(pods)+len(attachments) == 0 {
		return err
	}
	if pods, attachments, err = j.onNode(ctx, lease.Node, ""); err != nil {
		return err
	}
	read := j.leases.Read(ctx, lease.Node)
	if read.Outcome != fence.Done {
		return fmt.Errorf("the lease of node %s cannot be read", lease.Node)
	}
	taken := fence.Failover(read.Lease, pods, attachments)
	var failed []error
	for i := range taken.Pods {
		pod := &taken.Pods[i]
		err := j.Client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, fence.DeleteOptions(pod))
		if err == nil {
			j.Events.Event(pod, core.EventTypeNormal, "FailedOver", taken.Reason)
		}
		failed = append(failed, unlessPast(err))
	}
	for i := range taken.Attachments {
		attachment := &taken.Attachments[i]
		failed = append(failed, unlessPast(j.Client.StorageV1().VolumeAttachments().Delete(ctx, attachment.Name, fence.DeleteOptions(attachment))))
	}
	return errors.Join(failed...)
}

// onNode reads the pets of a node, and the attachments of volumes that no other pod
// there uses.
func (j *Judge) onNode(ctx context.Context, node, version string) ([]core.Pod, []storage.VolumeAttachment, error) {
	pods, err := j.Client.CoreV1().Pods("").List(ctx, meta.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("spec.nodeName", node).String(), ResourceVersion: version,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read the pods of node %s: %w", node, err)
	}
	attachments, err := j.Client.StorageV1().VolumeAttachments().List(ctx, meta.ListOptions{ResourceVersion: version})
	if err != nil {
		return nil, nil, fmt.Errorf("read what is attached to node %s: %w", node, err)
	}
	pets, inUse := petsAmong(pods.Items)
	var theirs []storage.VolumeAttachment
	for _, a := range attachments.Items {
		if a.Spec.NodeName != node || a.DeletionTimestamp != nil || a.Spec.Source.PersistentVolumeName == nil {
			continue
		}
		volume, err := j.Client.CoreV1().PersistentVolumes().Get(ctx, *a.Spec.Source.PersistentVolumeName, meta.GetOptions{ResourceVersion: version})
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, nil, err
		}
		if err != nil || volume.Spec.ClaimRef == nil || !inUse[volume.Spec.ClaimRef.Namespace+"/"+volume.Spec.ClaimRef.Name] {
			theirs = append(theirs, a)
		}
	}
	return pets, theirs, nil
}

// petsAmong gives the pets, and the claims that other pods use.
func petsAmong(pods []core.Pod) (pets []core.Pod, inUse map[string]bool) {
	inUse = map[string]bool{}
	for _, pod := range pods {
		if isPet(&pod) {
			pets = append(pets, pod)
			continue
		}
		for _, v := range pod.Spec.Volumes {
			switch {
			case v.PersistentVolumeClaim != nil:
				inUse[pod.Namespace+"/"+v.PersistentVolumeClaim.ClaimName] = true
			case v.Ephemeral != nil:
				inUse[pod.Namespace+"/"+pod.Name+"-"+v.Name] = true
			}
		}
	}
	return pets, inUse
}

// mark makes sure that a node bears the taint, or does not.
func (j *Judge) mark(ctx context.Context, node string, fenced bool) {
	if was, known := j.marked[node]; known && was == fenced {
		return
	}
	nodes := j.Client.CoreV1().Nodes()
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		n, err := nodes.Get(ctx, node, meta.GetOptions{})
		if err != nil || slices.Contains(n.Spec.Taints, outOfService) == fenced {
			return err
		}
		if fenced {
			n.Spec.Taints = append(n.Spec.Taints, outOfService)
		} else {
			n.Spec.Taints = slices.DeleteFunc(n.Spec.Taints, func(t core.Taint) bool { return t == outOfService })
		}
		_, err = nodes.Update(ctx, n, meta.UpdateOptions{})
		return err
	})
	if err == nil || apierrors.IsNotFound(err) {
		j.marked[node] = fenced
	}
}

// unlessPast forgets that an object is gone, or another by now: the next read tells.
func unlessPast(err error) error {
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// isPet tells whether a pod is started elsewhere when its node is fenced. The label is
// given when the pod is made, and nobody can change it later.
func isPet(pod *core.Pod) bool { return pod.Labels[v1alpha1.FailoverLabel] == v1alpha1.FailoverFenced }
