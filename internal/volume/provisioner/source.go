package provisioner

import (
	"fmt"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	snapshot "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	"github.com/kubernetes-csi/external-snapshotter/v8/pkg/utils"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/csi"
)

// sourceRef names what a claim wants its volume to begin with: a VolumeSnapshot
// or a claim of the same namespace. With neither the volume is new.
type sourceRef struct{ snapshot, claim string }

// source is where a claim's volume begins.
type source struct {
	// node is the only one that can make the volume.
	node    string
	content *spec.VolumeContentSource
}

// sourceOf reads a claim's dataSource or dataSourceRef. (The API server sets both,
// where one can stand for the other.)
func sourceOf(claim *core.PersistentVolumeClaim) (sourceRef, error) {
	ref := claim.Spec.DataSourceRef
	if ref == nil && claim.Spec.DataSource != nil {
		ref = &core.TypedObjectReference{APIGroup: claim.Spec.DataSource.APIGroup, Kind: claim.Spec.DataSource.Kind, Name: claim.Spec.DataSource.Name}
	}
	if ref == nil {
		return sourceRef{}, nil
	}
	if ref.Namespace != nil && *ref.Namespace != claim.Namespace {
		return sourceRef{}, fmt.Errorf("the source is in namespace %s; volumes are restored and cloned within a namespace only", *ref.Namespace)
	}
	group := ""
	if ref.APIGroup != nil {
		group = *ref.APIGroup
	}
	switch {
	case group == snapshot.GroupName && ref.Kind == "VolumeSnapshot":
		return sourceRef{snapshot: ref.Name}, nil
	case group == "" && ref.Kind == "PersistentVolumeClaim":
		return sourceRef{claim: ref.Name}, nil
	}
	return sourceRef{}, fmt.Errorf("a volume can begin with a VolumeSnapshot or a PersistentVolumeClaim, not with a %s", ref.Kind)
}

// fromSnapshot checks that the claim can begin with a snapshot. The rules are in
// the order in which a snapshot comes to be.
func fromSnapshot(claim *core.PersistentVolumeClaim, s *snapshot.VolumeSnapshot, c *snapshot.VolumeSnapshotContent) (source, error) {
	bound := s.Status != nil && s.Status.BoundVolumeSnapshotContentName != nil && c != nil
	switch {
	case !bound, s.Status.ReadyToUse == nil, !*s.Status.ReadyToUse, c.Status == nil, c.Status.SnapshotHandle == nil:
		return source{}, fmt.Errorf("snapshot %s is not ready to use yet", s.Name)
	case c.Spec.VolumeSnapshotRef.UID != s.UID:
		return source{}, fmt.Errorf("content %s of snapshot %s belongs to another snapshot", c.Name, s.Name)
	case c.Spec.Driver != volume.DriverName:
		return source{}, fmt.Errorf("snapshot %s was taken by driver %s; use a storage class of that driver", s.Name, c.Spec.Driver)
	case c.Labels[utils.VolumeSnapshotContentManagedByLabel] == "":
		return source{}, fmt.Errorf("no node has the content %s of snapshot %s", c.Name, s.Name)
	}
	if err := largeEnough(claim, s.Status.RestoreSize, "snapshot "+s.Name); err != nil {
		return source{}, err
	}
	return source{
		node: c.Labels[utils.VolumeSnapshotContentManagedByLabel],
		content: &spec.VolumeContentSource{Type: &spec.VolumeContentSource_Snapshot{
			Snapshot: &spec.VolumeContentSource_SnapshotSource{SnapshotId: *c.Status.SnapshotHandle},
		}},
	}, nil
}

// fromClaim checks that the claim can begin with what another claim's volume
// holds.
func fromClaim(claim, other *core.PersistentVolumeClaim, v *core.PersistentVolume) (source, error) {
	switch {
	case v == nil, v.Spec.ClaimRef == nil, v.Spec.ClaimRef.UID != other.UID:
		return source{}, fmt.Errorf("claim %s has no volume yet", other.Name)
	case nodeOf(v) == "":
		return source{}, fmt.Errorf("the volume of claim %s is not one of driver %s; use a storage class of its driver", other.Name, volume.DriverName)
	}
	has := v.Spec.Capacity[core.ResourceStorage]
	if err := largeEnough(claim, &has, "claim "+other.Name); err != nil {
		return source{}, err
	}
	return source{
		node: nodeOf(v),
		content: &spec.VolumeContentSource{Type: &spec.VolumeContentSource_Volume{
			Volume: &spec.VolumeContentSource_VolumeSource{VolumeId: v.Spec.CSI.VolumeHandle},
		}},
	}, nil
}

func largeEnough(claim *core.PersistentVolumeClaim, needed *resource.Quantity, of string) error {
	wants := claim.Spec.Resources.Requests[core.ResourceStorage]
	if needed == nil || wants.Cmp(*needed) >= 0 {
		return nil
	}
	return fmt.Errorf("%s has %s, and the claim asks for %s: ask for as much at least", of, needed.String(), wants.String())
}

// nodeOf gives the node of a volume of our driver; empty if it is none.
func nodeOf(v *core.PersistentVolume) string {
	affinity := v.Spec.NodeAffinity
	if v.Spec.CSI == nil || v.Spec.CSI.Driver != volume.DriverName || affinity == nil || affinity.Required == nil {
		return ""
	}
	for _, term := range affinity.Required.NodeSelectorTerms {
		for _, e := range term.MatchExpressions {
			if e.Key == csi.TopologyKey && e.Operator == core.NodeSelectorOpIn && len(e.Values) == 1 {
				return e.Values[0]
			}
		}
	}
	return ""
}
