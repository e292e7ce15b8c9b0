package provisioner

import (
	"context"
	"fmt"

	snapshot "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// locate finds where the claim's volume begins. The error tells the claim's user
// why it does not begin yet.
func (p *provisioner) locate(ctx context.Context, claim *core.PersistentVolumeClaim) (source, error) {
	ref, err := sourceOf(claim)
	if err != nil {
		return source{}, err
	}
	var found source
	switch {
	case ref.snapshot != "":
		found, err = p.locateSnapshot(ctx, claim, ref.snapshot)
	case ref.claim != "":
		found, err = p.locateClaim(ctx, claim, ref.claim)
	default:
		return source{node: p.nodeName}, nil
	}
	if err != nil || found.node == p.nodeName {
		return found, err
	}
	_, err = p.client.CoreV1().Nodes().Get(ctx, found.node, meta.GetOptions{})
	if apierrors.IsNotFound(err) {
		err = fmt.Errorf("the claim's source is on node %s, which is not in the cluster any more", found.node)
	}
	return found, err
}

func (p *provisioner) locateSnapshot(ctx context.Context, claim *core.PersistentVolumeClaim, name string) (source, error) {
	client := p.snapshots.SnapshotV1()
	s, err := client.VolumeSnapshots(claim.Namespace).Get(ctx, name, meta.GetOptions{})
	if err != nil {
		return source{}, fmt.Errorf("read snapshot %s: %w", name, err)
	}
	var content *snapshot.VolumeSnapshotContent
	if s.Status != nil && s.Status.BoundVolumeSnapshotContentName != nil {
		content, err = client.VolumeSnapshotContents().Get(ctx, *s.Status.BoundVolumeSnapshotContentName, meta.GetOptions{})
		if err != nil {
			return source{}, fmt.Errorf("read the content of snapshot %s: %w", name, err)
		}
	}
	return fromSnapshot(claim, s, content)
}

func (p *provisioner) locateClaim(ctx context.Context, claim *core.PersistentVolumeClaim, name string) (source, error) {
	other, err := p.client.CoreV1().PersistentVolumeClaims(claim.Namespace).Get(ctx, name, meta.GetOptions{})
	if err != nil {
		return source{}, fmt.Errorf("read claim %s: %w", name, err)
	}
	var v *core.PersistentVolume
	if other.Spec.VolumeName != "" {
		v, err = p.client.CoreV1().PersistentVolumes().Get(ctx, other.Spec.VolumeName, meta.GetOptions{})
		if err != nil {
			return source{}, fmt.Errorf("read the volume of claim %s: %w", name, err)
		}
	}
	return fromClaim(claim, other, v)
}

// giveTo writes a node's name to a claim: that node makes its volume, and the
// scheduler sends its pod there.
func (p *provisioner) giveTo(ctx context.Context, claim *core.PersistentVolumeClaim, nodeName string) error {
	given := claim.DeepCopy()
	meta.SetMetaDataAnnotation(&given.ObjectMeta, selectedNode, nodeName)
	_, err := p.client.CoreV1().PersistentVolumeClaims(claim.Namespace).Update(ctx, given, meta.UpdateOptions{})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil // it has changed or gone, and comes again if it is still there
	}
	return err
}
