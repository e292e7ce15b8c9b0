package sidecars

import (
	storage "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// Annotation on a CSIDriver says who does the sidecars' work. The one value that
// means something is ByEngine.
const (
	Annotation = "mainstay.dev/sidecars"
	ByEngine   = "engine"
)

// served is a driver that a node's sidecars work for.
type served struct {
	name string
	// object is the UID of its CSIDriver.
	object types.UID
	// capacity says that the scheduler asks how much space is left.
	capacity bool
	// attach says that the driver's volumes wait for a VolumeAttachment.
	attach bool
}

// servedOn says which drivers those are: registered with the node's kubelet, and
// annotated. (Mainstay's own driver has other helpers.)
func servedOn(node *storage.CSINode, drivers []*storage.CSIDriver) map[string]served {
	registered := map[string]bool{}
	for _, driver := range node.Spec.Drivers {
		registered[driver.Name] = driver.Name != volume.DriverName
	}
	found := map[string]served{}
	for _, driver := range drivers {
		if registered[driver.Name] && driver.Annotations[Annotation] == ByEngine && driver.DeletionTimestamp == nil {
			found[driver.Name] = served{
				name: driver.Name, object: driver.UID,
				capacity: driver.Spec.StorageCapacity != nil && *driver.Spec.StorageCapacity,
				attach:   driver.Spec.AttachRequired == nil || *driver.Spec.AttachRequired,
			}
		}
	}
	return found
}
