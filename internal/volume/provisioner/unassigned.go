package provisioner

import (
	"context"
	"slices"

	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/csi"
)

// takeUnassigned writes this node's name to a claim whose class binds at once,
// if the node has room for it. Of several nodes the API server lets one win.
func (p *provisioner) takeUnassigned(ctx context.Context, claim *core.PersistentVolumeClaim) error {
	class, err := p.classes.Get(*claim.Spec.StorageClassName)
	if err != nil {
		return err
	}
	left, err := leftFor(ctx, p.driver, []*storage.StorageClass{class})
	if err != nil || left[volume.PoolOf(class.Parameters)] < requested(claim) {
		return err
	}
	return p.giveTo(ctx, claim, p.nodeName)
}

// bindsAtOnce says whether the claim wants a volume without waiting for a pod,
// and may have it on this node.
func (p *provisioner) bindsAtOnce(claim *core.PersistentVolumeClaim) bool {
	if claim.Spec.StorageClassName == nil || claim.Spec.VolumeName != "" {
		return false
	}
	class, err := p.classes.Get(*claim.Spec.StorageClassName)
	if err != nil {
		return false // the claim comes again
	}
	return class.Provisioner == volume.DriverName && bindsAtOnce(class) && allows(class.AllowedTopologies, p.nodeName)
}

func bindsAtOnce(class *storage.StorageClass) bool {
	return class.VolumeBindingMode == nil || *class.VolumeBindingMode == storage.VolumeBindingImmediate
}

// allows says whether one of the terms lets a volume be on the node; no terms
// allow every node.
func allows(terms []core.TopologySelectorTerm, nodeName string) bool {
	for _, term := range terms {
		if termAllows(term, nodeName) {
			return true
		}
	}
	return len(terms) == 0
}

func termAllows(term core.TopologySelectorTerm, nodeName string) bool {
	for _, e := range term.MatchLabelExpressions {
		if e.Key != csi.TopologyKey || !slices.Contains(e.Values, nodeName) {
			return false
		}
	}
	return true
}
