package sidecars

import (
	"slices"
	"testing"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/kubernetes-csi/csi-lib-utils/rpc"
)

func TestSidecars(t *testing.T) {
	controls := rpc.PluginCapabilitySet{spec.PluginCapability_Service_CONTROLLER_SERVICE: true}
	controller := func(types ...spec.ControllerServiceCapability_RPC_Type) rpc.ControllerCapabilitySet {
		set := rpc.ControllerCapabilitySet{}
		for _, t := range types {
			set[t] = true
		}
		return set
	}
	growsOnNode := map[spec.NodeServiceCapability_RPC_Type]bool{spec.NodeServiceCapability_RPC_EXPAND_VOLUME: true}
	for _, c := range []struct {
		why  string
		can  abilities
		want []sidecar
	}{
		{"a driver of ephemeral volumes", abilities{}, nil},
		{"nothing to attach, but its volumes wait for it", abilities{served: served{attach: true}}, []sidecar{attacherSidecar}},
		{"it makes volumes", abilities{plugin: controls, controller: controller(spec.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME)}, []sidecar{provisionerSidecar}},
		{"volumes grow by the controller", abilities{plugin: controls, controller: controller(spec.ControllerServiceCapability_RPC_EXPAND_VOLUME)}, []sidecar{resizerSidecar}},
		{"volumes grow on the node alone", abilities{plugin: controls, node: growsOnNode}, []sidecar{resizerSidecar}},
		{"upstream's resizer needs a controller", abilities{node: growsOnNode}, nil},
		{"volumes are modified", abilities{plugin: controls, controller: controller(spec.ControllerServiceCapability_RPC_MODIFY_VOLUME)}, []sidecar{modifierSidecar}},
		{"snapshots", abilities{plugin: controls, controller: controller(spec.ControllerServiceCapability_RPC_CREATE_DELETE_SNAPSHOT)}, []sidecar{snapshotterSidecar}},
		{
			"all of it", abilities{
				served: served{attach: true}, plugin: controls, node: growsOnNode,
				controller: controller(spec.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME, spec.ControllerServiceCapability_RPC_PUBLISH_UNPUBLISH_VOLUME,
					spec.ControllerServiceCapability_RPC_CREATE_DELETE_SNAPSHOT, spec.ControllerServiceCapability_RPC_MODIFY_VOLUME),
			},
			[]sidecar{provisionerSidecar, attacherSidecar, resizerSidecar, modifierSidecar, snapshotterSidecar},
		},
	} {
		got := c.can.sidecars()
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, not %v", c.why, got, c.want)
		}
		for _, s := range got {
			if makers[s] == nil {
				t.Errorf("nobody makes a %s", s)
			}
		}
	}
}

func TestPublishesCapacity(t *testing.T) {
	can := rpc.ControllerCapabilitySet{spec.ControllerServiceCapability_RPC_GET_CAPACITY: true}
	for _, c := range []struct {
		asked bool
		can   rpc.ControllerCapabilitySet
		want  bool
	}{
		{true, can, true},
		{false, can, false},
		{true, nil, false},
	} {
		if got := (abilities{served: served{capacity: c.asked}, controller: c.can}).publishesCapacity(); got != c.want {
			t.Errorf("asked %v, can %v: %v", c.asked, c.can, got)
		}
	}
}
