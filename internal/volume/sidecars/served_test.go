package sidecars

import (
	"maps"
	"slices"
	"testing"

	storage "k8s.io/api/storage/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/mainstay-io/mainstay/internal/volume"
)

func csiDriver(name, by string) *storage.CSIDriver {
	return &storage.CSIDriver{ObjectMeta: meta.ObjectMeta{Name: name, UID: "uid-of-the-driver", Annotations: map[string]string{Annotation: by}}}
}

func csiNode(name string, registered ...string) *storage.CSINode {
	node := &storage.CSINode{ObjectMeta: meta.ObjectMeta{Name: name}}
	for _, driver := range registered {
		node.Spec.Drivers = append(node.Spec.Drivers, storage.CSINodeDriver{Name: driver, NodeID: name, TopologyKeys: []string{"topology." + driver + "/node"}})
	}
	return node
}

func TestServedOn(t *testing.T) {
	going := csiDriver("disk.example.com", ByEngine)
	going.DeletionTimestamp = ptr.To(meta.Now())
	for _, c := range []struct {
		why    string
		node   *storage.CSINode
		driver *storage.CSIDriver
		want   bool
	}{
		{"registered and annotated", csiNode("a", "disk.example.com"), csiDriver("disk.example.com", ByEngine), true},
		{"its sidecars came with it", csiNode("a", "disk.example.com"), csiDriver("disk.example.com", ""), false},
		{"an unknown value is no order", csiNode("a", "disk.example.com"), csiDriver("disk.example.com", "yes"), false},
		{"not on this node", csiNode("a", "nfs.example.com"), csiDriver("disk.example.com", ByEngine), false},
		{"no node yet", &storage.CSINode{}, csiDriver("disk.example.com", ByEngine), false},
		{"it is being removed", csiNode("a", "disk.example.com"), going, false},
		{"Mainstay's own has other helpers", csiNode("a", volume.DriverName), csiDriver(volume.DriverName, ByEngine), false},
	} {
		if got := servedOn(c.node, []*storage.CSIDriver{c.driver}); (len(got) == 1) != c.want {
			t.Errorf("%s: %v", c.why, slices.Collect(maps.Keys(got)))
		}
	}
}

func TestServedAsks(t *testing.T) {
	driver := csiDriver("disk.example.com", ByEngine)
	for _, c := range []struct {
		spec             storage.CSIDriverSpec
		capacity, attach bool
	}{
		{storage.CSIDriverSpec{}, false, true}, // Kubernetes' defaults
		{storage.CSIDriverSpec{StorageCapacity: ptr.To(true), AttachRequired: ptr.To(false)}, true, false},
		{storage.CSIDriverSpec{StorageCapacity: ptr.To(false), AttachRequired: ptr.To(true)}, false, true},
	} {
		driver.Spec = c.spec
		got := servedOn(csiNode("a", driver.Name), []*storage.CSIDriver{driver})[driver.Name]
		if got != (served{name: driver.Name, object: driver.UID, capacity: c.capacity, attach: c.attach}) {
			t.Errorf("%+v: %+v", c.spec, got)
		}
	}
}
