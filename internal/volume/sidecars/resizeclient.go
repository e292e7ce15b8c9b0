package sidecars

import (
	"context"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
)

// resizeClient is how external-resizer speaks to the driver. (Upstream's own
// ends the process when the connection is lost.)
type resizeClient struct{ *driver }

func (c resizeClient) GetDriverName(context.Context) (string, error) { return c.name, nil }

func (c resizeClient) SupportsPluginControllerService(context.Context) (bool, error) {
	return c.plugin[spec.PluginCapability_Service_CONTROLLER_SERVICE], nil
}

func (c resizeClient) SupportsControllerResize(context.Context) (bool, error) {
	return c.controller[spec.ControllerServiceCapability_RPC_EXPAND_VOLUME], nil
}

func (c resizeClient) SupportsNodeResize(context.Context) (bool, error) {
	return c.node[spec.NodeServiceCapability_RPC_EXPAND_VOLUME], nil
}

func (c resizeClient) SupportsControllerModify(context.Context) (bool, error) {
	return c.controller[spec.ControllerServiceCapability_RPC_MODIFY_VOLUME], nil
}

func (c resizeClient) SupportsControllerSingleNodeMultiWriter(context.Context) (bool, error) {
	return c.controller[spec.ControllerServiceCapability_RPC_SINGLE_NODE_MULTI_WRITER], nil
}

func (c resizeClient) Expand(ctx context.Context, volume string, bytes int64, secrets map[string]string, capability *spec.VolumeCapability) (int64, bool, error) {
	answer, err := spec.NewControllerClient(c.connection).ControllerExpandVolume(ctx, &spec.ControllerExpandVolumeRequest{
		VolumeId: volume, CapacityRange: &spec.CapacityRange{RequiredBytes: bytes}, Secrets: secrets, VolumeCapability: capability,
	})
	return answer.GetCapacityBytes(), answer.GetNodeExpansionRequired(), err
}

func (c resizeClient) Modify(ctx context.Context, volume string, secrets, parameters map[string]string) error {
	_, err := spec.NewControllerClient(c.connection).ControllerModifyVolume(ctx, &spec.ControllerModifyVolumeRequest{
		VolumeId: volume, Secrets: secrets, MutableParameters: parameters,
	})
	return err
}

// CloseConnection does nothing: the connection is not the resizer's.
func (c resizeClient) CloseConnection() {}
