// Package csidriver is a CSI driver as a vendor would write one, for tests: it
// knows nothing of Mainstay, and comes without sidecars. A volume is a directory of
// its node; it must be attached before it can be mounted.
//
// It is small, not safe: it trusts names, and keeps no size.
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

// Driver serves one node.
type Driver struct {
	Name, NodeName string
	// StateDir keeps volumes and snapshots.
	StateDir string
	// KubeletDir is kubelet's root directory, at the same path as kubelet has it.
	KubeletDir string
}

// TopologyKey is the key of the segment of a node.
func (d Driver) TopologyKey() string { return "topology." + d.Name + "/node" }

// Socket is where the driver serves.
func (d Driver) Socket() string { return filepath.Join(d.KubeletDir, "plugins", d.Name, "csi.sock") }

// RegistrationSocket is where kubelet learns of it.
func (d Driver) RegistrationSocket() string {
	return filepath.Join(d.KubeletDir, "plugins_registry", d.Name+"-reg.sock")
}

// Serve serves and registers until ctx ends. Then the sockets are gone.
func (d Driver) Serve(ctx context.Context) error {
	driver, registration := grpc.NewServer(), grpc.NewServer()
	csi.RegisterIdentityServer(driver, identity{Driver: d})
	csi.RegisterControllerServer(driver, controller{Driver: d})
	csi.RegisterNodeServer(driver, node{Driver: d})
	kubelet.RegisterRegistrationServer(registration, registrar{Driver: d})
	group, ctx := errgroup.WithContext(ctx)
	for socket, server := range map[string]*grpc.Server{d.Socket(): driver, d.RegistrationSocket(): registration} {
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
	Driver
}

func (r registrar) GetInfo(context.Context, *kubelet.InfoRequest) (*kubelet.PluginInfo, error) {
	return &kubelet.PluginInfo{Type: kubelet.CSIPlugin, Name: r.Name, Endpoint: r.Socket(), SupportedVersions: []string{"1.0.0"}}, nil
}

func (r registrar) NotifyRegistrationStatus(context.Context, *kubelet.RegistrationStatus) (*kubelet.RegistrationStatusResponse, error) {
	return &kubelet.RegistrationStatusResponse{}, nil
}

type identity struct {
	csi.UnimplementedIdentityServer
	Driver
}

func (i identity) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: i.Name, VendorVersion: "1"}, nil
}

func (i identity) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{}, nil
}

func (i identity) GetPluginCapabilities(context.Context, *csi.GetPluginCapabilitiesRequest) (*csi.GetPluginCapabilitiesResponse, error) {
	answer := &csi.GetPluginCapabilitiesResponse{}
	for _, service := range []csi.PluginCapability_Service_Type{
		csi.PluginCapability_Service_CONTROLLER_SERVICE, csi.PluginCapability_Service_VOLUME_ACCESSIBILITY_CONSTRAINTS,
	} {
		answer.Capabilities = append(answer.Capabilities, &csi.PluginCapability{
			Type: &csi.PluginCapability_Service_{Service: &csi.PluginCapability_Service{Type: service}},
		})
	}
	return answer, nil
}
