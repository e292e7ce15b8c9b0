// Package csidriver is a CSI driver as a vendor would write one, for tests: it
// knows nothing of Mainstay, and comes without sidecars. A volume is a directory of
// its node; it must be attached before it can be mounted.
//
// It is small, not safe: it trusts names, and keeps no size.
package csidriver

import (
	"context"

	"github.com/container-storage-interface/spec/lib/go/csi"
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

// Plugin is what kubelet sees of it.
func (d Driver) Plugin() Plugin {
	return Plugin{Name: d.Name, KubeletDir: d.KubeletDir, Identity: identity{Driver: d}, Controller: controller{Driver: d}, Node: node{Driver: d}}
}

// Socket is where the driver serves.
func (d Driver) Socket() string { return d.Plugin().Socket() }

// RegistrationSocket is where kubelet learns of it.
func (d Driver) RegistrationSocket() string { return d.Plugin().RegistrationSocket() }

// Serve serves and registers until ctx ends. Then the sockets are gone.
func (d Driver) Serve(ctx context.Context) error { return d.Plugin().Serve(ctx) }

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
