package scheduling

import (
	"fmt"
	"maps"
	"slices"

	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

// ask is what a claim without a volume wants of a pool.
type ask struct {
	claim core.ObjectReference
	// volume is the ID that the volume will have in its pool.
	volume string
	// pool is the pool's name on whichever node.
	pool    string
	quality qos.Parameters
	// directory: the volume is to be a directory of the pool.
	directory bool
	// size is what the claim asks for, in bytes.
	size int64
}

// anything says whether it matters which pool it is, beside space. That upstream's plugin
// VolumeBinding sees to.
func (a ask) anything() bool { return a.quality.Guaranteed() || a.directory }

// waits says whether a claim of that class gets its volume from our driver, where
// the scheduler sends its pod. A claim that has a volume does not move any more.
func waits(claim *core.PersistentVolumeClaim, class *storage.StorageClass) bool {
	return claim.Spec.VolumeName == "" && class.Provisioner == volume.DriverName &&
		class.VolumeBindingMode != nil && *class.VolumeBindingMode == storage.VolumeBindingWaitForFirstConsumer
}

// askOf reads what a waiting claim wants. Its attributes class, nil for none, has
// the last word. The error says what is wrong with the classes.
func askOf(claim *core.PersistentVolumeClaim, class *storage.StorageClass, attributes *storage.VolumeAttributesClass) (ask, error) {
	a := ask{
		claim: referenceTo(claim),
		// So the provisioner calls the volume of a claim.
		volume: volume.IDFor("pvc-" + string(claim.UID)),
		pool:   volume.PoolOf(class.Parameters),
		size:   claim.Spec.Resources.Requests.Storage().Value(),
	}
	a.directory, _ = volume.IsDirectory(class.Parameters[volume.BackendParameter]) // other values are the driver's to refuse
	var err error
	if a.quality, err = a.quality.With(promises(class.Parameters)); err != nil {
		return a, fmt.Errorf("claim %s, StorageClass %s: %w", claim.Name, class.Name, err)
	}
	if attributes == nil {
		return a, nil
	}
	if attributes.DriverName != volume.DriverName {
		return a, fmt.Errorf("claim %s: the VolumeAttributesClass %s is for the driver %s; the volume is of %s",
			claim.Name, attributes.Name, attributes.DriverName, volume.DriverName)
	}
	if a.quality, err = a.quality.With(promises(attributes.Parameters)); err != nil {
		return a, fmt.Errorf("claim %s, VolumeAttributesClass %s: %w", claim.Name, attributes.Name, err)
	}
	return a, nil
}

// referenceTo is how an event names the claim.
func referenceTo(claim *core.PersistentVolumeClaim) core.ObjectReference {
	return core.ObjectReference{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID}
}

// promises are the parameters of a class that matter here. The others are the
// driver's to judge.
func promises(class map[string]string) map[string]string {
	ours := maps.Clone(class)
	maps.DeleteFunc(ours, func(name, _ string) bool { return !slices.Contains(qos.Names(), name) })
	return ours
}
