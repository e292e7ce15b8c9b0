package provisioner

import (
	"testing"

	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/internal/volume"
)

func TestPlanCapacity(t *testing.T) {
	node := &core.Node{ObjectMeta: meta.ObjectMeta{Name: "a", UID: "1"}}
	onPool := func(name, pool string) *storage.StorageClass {
		return &storage.StorageClass{ObjectMeta: meta.ObjectMeta{Name: name}, Provisioner: volume.DriverName, Parameters: map[string]string{"pool": pool}}
	}
	ours := &storage.StorageClass{ObjectMeta: meta.ObjectMeta{Name: "mainstay"}, Provisioner: volume.DriverName}
	theirs := &storage.StorageClass{ObjectMeta: meta.ObjectMeta{Name: "nfs"}, Provisioner: "nfs.example.com"}
	published := *capacityObject("mainstay", 100*gi, node)
	stale := *capacityObject("deleted", 100*gi, node)

	for _, c := range []struct {
		why                    string
		published              []storage.CSIStorageCapacity
		classes                []*storage.StorageClass
		available              int64
		create, update, remove int
	}{
		{"no class of ours", nil, []*storage.StorageClass{theirs}, gi, 0, 0, 0},
		{"a new class", nil, []*storage.StorageClass{ours, theirs}, 0, 1, 0, 0},
		{"unchanged", []storage.CSIStorageCapacity{published}, []*storage.StorageClass{ours}, 100 * gi, 0, 0, 0},
		{"half a percent less", []storage.CSIStorageCapacity{published}, []*storage.StorageClass{ours}, 100*gi - gi/2, 0, 0, 0},
		{"two percent less", []storage.CSIStorageCapacity{published}, []*storage.StorageClass{ours}, 98 * gi, 0, 1, 0},
		{"full", []storage.CSIStorageCapacity{published}, []*storage.StorageClass{ours}, 0, 0, 1, 0},
		{"more", []storage.CSIStorageCapacity{published}, []*storage.StorageClass{ours}, 200 * gi, 0, 1, 0},
		{"a class of this pool by name", []storage.CSIStorageCapacity{published}, []*storage.StorageClass{ours, onPool("named", "default")}, 100 * gi, 1, 0, 0},
		{"a class of a pool that the node lacks", []storage.CSIStorageCapacity{published}, []*storage.StorageClass{ours, onPool("fast", "fast")}, 100 * gi, 0, 0, 0},
		{"its pool is not declared any more", []storage.CSIStorageCapacity{published}, []*storage.StorageClass{onPool("mainstay", "fast")}, 100 * gi, 0, 0, 1},
		{"a class has gone", []storage.CSIStorageCapacity{published, stale}, []*storage.StorageClass{ours}, 100 * gi, 0, 0, 1},
	} {
		plan := planCapacity(c.published, c.classes, map[string]int64{"default": c.available}, node)
		if len(plan.create) != c.create || len(plan.update) != c.update || len(plan.remove) != c.remove {
			t.Errorf("%s: create %d, update %d, remove %d; want %d, %d, %d", c.why,
				len(plan.create), len(plan.update), len(plan.remove), c.create, c.update, c.remove)
		}
		for _, o := range append(plan.create, plan.update...) {
			if o.Capacity.Value() != c.available || o.MaximumVolumeSize.Value() != c.available {
				t.Errorf("%s: published %s and %s, want %d", c.why, o.Capacity, o.MaximumVolumeSize, c.available)
			}
		}
	}
}
