package sidecars

import (
	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/kubernetes-csi/csi-lib-utils/rpc"
)

// abilities is what a driver says that it can do, and its CSIDriver asks for.
type abilities struct {
	served
	plugin     rpc.PluginCapabilitySet
	controller rpc.ControllerCapabilitySet
	group      rpc.GroupControllerCapabilitySet
	node       map[spec.NodeServiceCapability_RPC_Type]bool
}

// sidecar is one kind of work.
type sidecar string

// The sidecars. (Upstream's modifier is a part of external-resizer.)
const (
	provisionerSidecar sidecar = "provisioner" // makes and deletes volumes
	attacherSidecar    sidecar = "attacher"    // attaches volumes to nodes
	resizerSidecar     sidecar = "resizer"     // lets volumes grow
	modifierSidecar    sidecar = "modifier"    // follows VolumeAttributesClasses
	snapshotterSidecar sidecar = "snapshotter" // takes and deletes snapshots
)

// sidecars says which of them a driver needs.
func (a abilities) sidecars() (needed []sidecar) {
	for _, s := range []struct {
		sidecar sidecar
		needed  bool
	}{
		{provisionerSidecar, a.controller[spec.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME]},
		// Volumes wait to be attached even where the driver has nothing to do for it.
		{attacherSidecar, a.attach},
		{resizerSidecar, a.plugin[spec.PluginCapability_Service_CONTROLLER_SERVICE] &&
			(a.controller[spec.ControllerServiceCapability_RPC_EXPAND_VOLUME] || a.node[spec.NodeServiceCapability_RPC_EXPAND_VOLUME])},
		{modifierSidecar, a.controller[spec.ControllerServiceCapability_RPC_MODIFY_VOLUME]},
		{snapshotterSidecar, a.controller[spec.ControllerServiceCapability_RPC_CREATE_DELETE_SNAPSHOT]},
	} {
		if s.needed {
			needed = append(needed, s.sidecar)
		}
	}
	return needed
}

// hasTopology says whether volumes of the driver can be reached from some nodes only.
func (a abilities) hasTopology() bool {
	return a.plugin[spec.PluginCapability_Service_VOLUME_ACCESSIBILITY_CONSTRAINTS]
}

// publishesCapacity says whether the provisioner tells the scheduler how much
// space is left.
func (a abilities) publishesCapacity() bool {
	return a.capacity && a.controller[spec.ControllerServiceCapability_RPC_GET_CAPACITY]
}
