package provisioner

import (
	"errors"
	"fmt"
	"math"
	"strings"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/kubernetes-csi/csi-lib-utils/accessmodes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"

	"github.com/mainstay-io/mainstay/internal/volume/csi"
)

// Parameters of a class with this prefix are for the provisioner; the driver
// gets the others. The names are upstream's.
const (
	reservedPrefix = "csi.storage.k8s.io/"
	fsTypeKey      = reservedPrefix + "fstype"
)

// selectedNode is the annotation by which the scheduler gives a claim to a node.
const selectedNode = "volume.kubernetes.io/selected-node"

// createRequest translates a claim into the driver's words.
func createRequest(o controller.ProvisionOptions, nodeName string, source *spec.VolumeContentSource) (*spec.CreateVolumeRequest, error) {
	claim := o.PVC
	if claim.Spec.Selector != nil {
		return nil, errors.New("a selector cannot be honoured for a volume that is made for the claim; remove it")
	}
	capability, err := capabilityOf(claim, o.StorageClass)
	if err != nil {
		return nil, err
	}
	parameters := map[string]string{
		reservedPrefix + "pvc/name":      claim.Name,
		reservedPrefix + "pvc/namespace": claim.Namespace,
		reservedPrefix + "pv/name":       o.PVName,
	}
	for key, value := range o.StorageClass.Parameters {
		if !strings.HasPrefix(key, reservedPrefix) {
			parameters[key] = value
		} else if key != fsTypeKey {
			return nil, fmt.Errorf("class %s has the parameter %s, which this provisioner does not know", o.StorageClass.Name, key)
		}
	}
	here := []*spec.Topology{{Segments: map[string]string{csi.TopologyKey: nodeName}}}
	return &spec.CreateVolumeRequest{
		Name:                      o.PVName,
		CapacityRange:             &spec.CapacityRange{RequiredBytes: requested(claim)},
		VolumeCapabilities:        []*spec.VolumeCapability{capability},
		Parameters:                parameters,
		VolumeContentSource:       source,
		AccessibilityRequirements: &spec.TopologyRequirement{Requisite: here, Preferred: here},
	}, nil
}

// capabilityOf says how the claim's pods will use the volume.
func capabilityOf(claim *core.PersistentVolumeClaim, class *storage.StorageClass) (*spec.VolumeCapability, error) {
	mode, err := accessmodes.ToCSIAccessMode(claim.Spec.AccessModes, true)
	if err != nil {
		return nil, err
	}
	capability := &spec.VolumeCapability{AccessMode: &spec.VolumeCapability_AccessMode{Mode: mode}}
	if claim.Spec.VolumeMode != nil && *claim.Spec.VolumeMode == core.PersistentVolumeBlock {
		capability.AccessType = &spec.VolumeCapability_Block{Block: &spec.VolumeCapability_BlockVolume{}}
		return capability, nil
	}
	capability.AccessType = &spec.VolumeCapability_Mount{Mount: &spec.VolumeCapability_MountVolume{
		FsType: class.Parameters[fsTypeKey], MountFlags: class.MountOptions,
	}}
	return capability, nil
}

func requested(claim *core.PersistentVolumeClaim) int64 {
	return bytesOf(claim.Spec.Resources.Requests[core.ResourceStorage])
}

// bytesOf gives the bytes that a quantity stands for. What is beyond all numbers is
// the largest one, not a negative or a small one: so it is refused as too large.
func bytesOf(q resource.Quantity) int64 {
	if q.CmpInt64(math.MaxInt64) > 0 {
		return math.MaxInt64
	}
	return q.Value()
}

// stateAfter says what is known of a volume after the driver's error.
func stateAfter(err error, from source) controller.ProvisioningState {
	switch status.Code(err) {
	case codes.ResourceExhausted:
		if from.content != nil {
			return controller.ProvisioningFinished // only this node has the source
		}
		return controller.ProvisioningReschedule // another node may have room
	case codes.InvalidArgument, codes.OutOfRange, codes.AlreadyExists, codes.FailedPrecondition, codes.NotFound:
		return controller.ProvisioningFinished
	default:
		return controller.ProvisioningInBackground
	}
}

// isOn says whether the volume is one of our driver's on the node.
func isOn(v *core.PersistentVolume, nodeName string) bool { return nodeOf(v) == nodeName }
