package csidriver

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	kubelet "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// Plugin is a driver as kubelet sees it: services at a socket, and one to register.
type Plugin struct {
	Name string
	// KubeletDir is kubelet's root directory, at the same path as kubelet has it.
	KubeletDir string
	// Topology: the driver's volumes are on some nodes only.
	Topology   bool
	Controller csi.ControllerServer
	Node       csi.NodeServer
}

// Socket is where the driver serves.
func (p Plugin) Socket() string { return filepath.Join(p.KubeletDir, "plugins", p.Name, "csi.sock") }

// RegistrationSocket is where kubelet learns of it.
func (p Plugin) RegistrationSocket() string {
	return filepath.Join(p.KubeletDir, "plugins_registry", p.Name+"-reg.sock")
}

// Serve serves and registers until ctx ends. Then the sockets are gone.
func (p Plugin) Serve(ctx context.Context) error {
	driver, registration := grpc.NewServer(), grpc.NewServer()
	csi.RegisterIdentityServer(driver, identity{Plugin: p})
	csi.RegisterControllerServer(driver, p.Controller)
	csi.RegisterNodeServer(driver, p.Node)
	kubelet.RegisterRegistrationServer(registration, registrar{Plugin: p})
	group, ctx := errgroup.WithContext(ctx)
	for socket, server := range map[string]*grpc.Server{p.Socket(): driver, p.RegistrationSocket(): registration} {
		listener, err := listen(socket)
		if err != nil {
			return err
		}
		defer context.AfterFunc(ctx, server.Stop)()
		group.Go(func() error { return server.Serve(listener) })
	}
	return group.Wait()
}

func listen(socket string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(socket), 0o700); err != nil {
		return nil, err
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return net.Listen("unix", socket)
}

type registrar struct {
	kubelet.UnimplementedRegistrationServer
	Plugin
}

func (r registrar) GetInfo(context.Context, *kubelet.InfoRequest) (*kubelet.PluginInfo, error) {
	return &kubelet.PluginInfo{Type: kubelet.CSIPlugin, Name: r.Name, Endpoint: r.Socket(), SupportedVersions: []string{"1.0.0"}}, nil
}

func (r registrar) NotifyRegistrationStatus(context.Context, *kubelet.RegistrationStatus) (*kubelet.RegistrationStatusResponse, error) {
	return &kubelet.RegistrationStatusResponse{}, nil
}
