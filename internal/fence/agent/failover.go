package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"

	"github.com/mainstay-io/mainstay/internal/fence"
)

// failOver takes from a fenced node what is its own no more. It is called again and
// again while the node is fenced.
func (j *Judge) failOver(ctx context.Context, order fence.Action) error {
	loss := j.losses.of(order.Lease, now())
	if now() < loss.next {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, j.Terms.Wait)
	defer cancel()
	node := order.Lease.Node
	if err := j.mark(ctx, node, marks{fenced: reasonOf(order.Lease)}); err != nil {
		return err
	}
	if err := j.freeLeaders(ctx, node); err != nil {
		return err
	}
	// The cache tells cheaply whether there is anything to do; what is done follows
	// from what is read by quorum, in this order.
	pods, attached, err := j.onNode(ctx, node, "0")
	if err != nil {
		return err
	}
	j.story.released(loss, attached)
	taken := fence.Failover(order, order.Lease, pods, attached)
	if len(taken.Pods)+len(taken.Attachments) == 0 {
		loss.next = now().Add(taken.Again)
		return nil
	}
	if pods, attached, err = j.onNode(ctx, node, ""); err != nil {
		return err
	}
	read := j.leases.Read(ctx, node)
	if read.Outcome != fence.Done {
		return fmt.Errorf("the lease of node %s cannot be read", node)
	}
	return j.take(ctx, loss, fence.Failover(order, read.Lease, pods, attached))
}

func (j *Judge) take(ctx context.Context, loss *loss, taken fence.Takeaway) error {
	var failed []error
	for i := range taken.Pods {
		pod := &taken.Pods[i]
		err := j.Client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, fence.DeleteOptions(pod))
		if err == nil {
			j.story.taken(pod, taken.Reason)
			j.awaited.add(pod, loss, now())
		}
		failed = append(failed, unlessPast(err))
	}
	if len(taken.Attachments) > 0 {
		if err := j.unmounted(ctx, loss.node, taken.Attachments); err != nil {
			return errors.Join(append(failed, err)...)
		}
	}
	for i := range taken.Attachments {
		attachment := &taken.Attachments[i]
		failed = append(failed, unlessPast(j.Client.StorageV1().VolumeAttachments().Delete(ctx, attachment.Name, fence.DeleteOptions(attachment))))
	}
	return errors.Join(failed...)
}

// unmounted tells the attach-detach controller that a fenced node has these volumes in use no
// more. It would wait for six minutes for the node's own word.
func (j *Judge) unmounted(ctx context.Context, name string, volumes []fence.Attached) error {
	nodes := j.Client.CoreV1().Nodes()
	node, err := nodes.Get(ctx, name, meta.GetOptions{})
	if err != nil {
		return unlessPast(err)
	}
	j.released[name] = 0
	left := slices.DeleteFunc(slices.Clone(node.Status.VolumesInUse), func(v core.UniqueVolumeName) bool {
		return slices.ContainsFunc(volumes, func(a fence.Attached) bool { return a.InUse == v })
	})
	if len(left) == len(node.Status.VolumesInUse) {
		return nil
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": node.UID, "resourceVersion": node.ResourceVersion},
		"status":   map[string]any{"volumesInUse": left},
	})
	if err == nil {
		_, err = nodes.PatchStatus(ctx, name, patch)
	}
	return err
}

// onNode reads the pods of a node, and what is attached to it.
func (j *Judge) onNode(ctx context.Context, node, version string) ([]core.Pod, []fence.Attached, error) {
	pods, err := j.Client.CoreV1().Pods("").List(ctx, meta.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("spec.nodeName", node).String(), ResourceVersion: version,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read the pods of node %s: %w", node, err)
	}
	attached, err := j.attachedTo(ctx, node, version)
	return pods.Items, attached, err
}

// attachedTo reads what is attached to a node.
func (j *Judge) attachedTo(ctx context.Context, node, version string) ([]fence.Attached, error) {
	attachments, err := j.Client.StorageV1().VolumeAttachments().List(ctx, meta.ListOptions{ResourceVersion: version})
	if err != nil {
		return nil, fmt.Errorf("read what is attached to node %s: %w", node, err)
	}
	var there []fence.Attached
	for _, a := range attachments.Items {
		if a.Spec.NodeName != node || a.Spec.Source.PersistentVolumeName == nil {
			continue
		}
		volume, err := j.Client.CoreV1().PersistentVolumes().Get(ctx, *a.Spec.Source.PersistentVolumeName, meta.GetOptions{ResourceVersion: version})
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("read whose volume is attached to node %s: %w", node, err)
		}
		of := fence.Attached{VolumeAttachment: a}
		if err == nil {
			of.Claim = volume.Spec.ClaimRef
			if csi := volume.Spec.CSI; csi != nil {
				of.InUse = core.UniqueVolumeName(csiVolume + csi.Driver + "^" + csi.VolumeHandle)
			}
		}
		there = append(there, of)
	}
	return there, nil
}

// unlessPast forgets that an object is gone, or another by now: the next read tells.
func unlessPast(err error) error {
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}
