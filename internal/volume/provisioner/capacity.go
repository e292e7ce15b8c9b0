package provisioner

import (
	"crypto/sha256"
	"encoding/hex"

	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/csi"
)

// The labels that tell the capacity objects of one driver and one node from all
// others; the first is upstream's.
const (
	driverLabel = "csi.storage.k8s.io/drivername"
	nodeLabel   = csi.TopologyKey
)

// capacityChanges is what must be written for the scheduler to know what a node
// has left.
type capacityChanges struct {
	create, update []*storage.CSIStorageCapacity
	remove         []string // names
}

// planCapacity compares what is published for a node with what its pools have left,
// for each of our classes. For a class of a pool that the node does not have nothing
// is published, and so no claim is given to the node.
func planCapacity(published []storage.CSIStorageCapacity, classes []*storage.StorageClass, left map[string]int64, node *core.Node) capacityChanges {
	byName := map[string]*storage.CSIStorageCapacity{}
	for i := range published {
		byName[published[i].Name] = &published[i]
	}
	var plan capacityChanges
	for _, class := range classes {
		available, has := left[volume.PoolOf(class.Parameters)]
		if class.Provisioner != volume.DriverName || !has {
			continue
		}
		wanted := capacityObject(class.Name, available, node)
		existing := byName[wanted.Name]
		delete(byName, wanted.Name)
		switch {
		case existing == nil:
			plan.create = append(plan.create, wanted)
		case worthTelling(existing.Capacity, available):
			updated := existing.DeepCopy()
			updated.Capacity, updated.MaximumVolumeSize = wanted.Capacity, wanted.MaximumVolumeSize
			plan.update = append(plan.update, updated)
		}
	}
	for name := range byName {
		plan.remove = append(plan.remove, name)
	}
	return plan
}

// worthTelling leaves out the small changes of a disk that others write to as
// well. A volume that does not fit after all is rescheduled.
func worthTelling(told *resource.Quantity, available int64) bool {
	if told == nil {
		return true
	}
	const small = 64 << 20
	change := told.Value() - available
	return max(change, -change) >= max(small, available/100)
}

// capacityObject is what the scheduler reads. It goes with its node.
func capacityObject(class string, available int64, node *core.Node) *storage.CSIStorageCapacity {
	sum := sha256.Sum256([]byte(node.Name + "/" + class))
	size := resource.NewQuantity(available, resource.BinarySI)
	return &storage.CSIStorageCapacity{
		ObjectMeta: meta.ObjectMeta{
			Name:   "mainstay-" + hex.EncodeToString(sum[:10]),
			Labels: map[string]string{driverLabel: volume.DriverName, nodeLabel: node.Name},
			OwnerReferences: []meta.OwnerReference{{
				APIVersion: "v1", Kind: "Node", Name: node.Name, UID: node.UID,
			}},
		},
		NodeTopology:      &meta.LabelSelector{MatchLabels: map[string]string{csi.TopologyKey: node.Name}},
		StorageClassName:  class,
		Capacity:          size,
		MaximumVolumeSize: size,
	}
}
