package csi

import (
	"context"
	"errors"

	"google.golang.org/grpc"
	"k8s.io/klog/v2"
	kubelet "k8s.io/kubelet/pkg/apis/pluginregistration/v1"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// Register tells kubelet, whose root directory is kubeletDir, that the driver
// serves at socket, and keeps telling it until ctx ends. kubelet asks whenever
// it starts or the registration socket appears; the driver must serve by then.
func Register(ctx context.Context, kubeletDir, socket string) error {
	listener, err := Listen(volume.RegistrationSocket(kubeletDir))
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	kubelet.RegisterRegistrationServer(server, registration{socket: socket})
	return serveUntil(ctx, server, listener, gracePeriod)
}

type registration struct {
	kubelet.UnimplementedRegistrationServer
	socket string
}

func (r registration) GetInfo(context.Context, *kubelet.InfoRequest) (*kubelet.PluginInfo, error) {
	return &kubelet.PluginInfo{
		Type:              kubelet.CSIPlugin,
		Name:              volume.DriverName,
		Endpoint:          r.socket,
		SupportedVersions: []string{"1.0.0"},
	}, nil
}

func (r registration) NotifyRegistrationStatus(ctx context.Context, s *kubelet.RegistrationStatus) (*kubelet.RegistrationStatusResponse, error) {
	log := klog.FromContext(ctx).WithValues("driver", volume.DriverName)
	if s.GetPluginRegistered() {
		log.V(2).Info("kubelet has registered the volume driver")
	} else {
		log.Error(errors.New(s.GetError()), "kubelet has not registered the volume driver; it tries again by itself")
	}
	return &kubelet.RegistrationStatusResponse{}, nil
}
