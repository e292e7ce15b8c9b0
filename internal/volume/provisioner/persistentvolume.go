package provisioner

import (
	spec "github.com/container-storage-interface/spec/lib/go/csi"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/csi"
)

// persistentVolume is the API's object for a volume that the driver has made.
func persistentVolume(o controller.ProvisionOptions, nodeName string, made *spec.Volume) *core.PersistentVolume {
	source := &core.CSIPersistentVolumeSource{
		Driver:           volume.DriverName,
		VolumeHandle:     made.GetVolumeId(),
		VolumeAttributes: made.GetVolumeContext(),
	}
	if o.PVC.Spec.VolumeMode == nil || *o.PVC.Spec.VolumeMode == core.PersistentVolumeFilesystem {
		source.FSType = o.StorageClass.Parameters[fsTypeKey]
		directory, _ := volume.IsDirectory(o.StorageClass.Parameters[volume.BackendParameter]) // the driver has read it
		if source.FSType == "" && !directory {
			// What the driver makes when the class does not say.
			source.FSType = string(volume.Ext4)
		}
	}
	v := &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{Name: o.PVName},
		Spec: core.PersistentVolumeSpec{
			AccessModes:  o.PVC.Spec.AccessModes,
			Capacity:     core.ResourceList{core.ResourceStorage: *resource.NewQuantity(made.GetCapacityBytes(), resource.BinarySI)},
			MountOptions: o.StorageClass.MountOptions,
			VolumeMode:   o.PVC.Spec.VolumeMode,
			// What the volume was made with; the API server takes it for the claim's.
			VolumeAttributesClassName: o.PVC.Spec.VolumeAttributesClassName,
			PersistentVolumeSource:    core.PersistentVolumeSource{CSI: source},
			NodeAffinity: &core.VolumeNodeAffinity{Required: &core.NodeSelector{
				NodeSelectorTerms: []core.NodeSelectorTerm{{MatchExpressions: []core.NodeSelectorRequirement{{
					Key: csi.TopologyKey, Operator: core.NodeSelectorOpIn, Values: []string{nodeName},
				}}}},
			}},
		},
	}
	if o.StorageClass.ReclaimPolicy != nil {
		v.Spec.PersistentVolumeReclaimPolicy = *o.StorageClass.ReclaimPolicy
	}
	return v
}
