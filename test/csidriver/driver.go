// Package csidriver is a CSI driver as a vendor would write one, for tests: it
// knows nothing of Mainstay, and comes without sidecars. A volume is a directory of
// its node; it must be attached before it can be mounted.
//
// It is small, not safe: it trusts names, and keeps no size.
package csidriver

import "context"

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
	return Plugin{Name: d.Name, KubeletDir: d.KubeletDir, Topology: true, Controller: controller{Driver: d}, Node: node{Driver: d}}
}

// Socket is where the driver serves.
func (d Driver) Socket() string { return d.Plugin().Socket() }

// RegistrationSocket is where kubelet learns of it.
func (d Driver) RegistrationSocket() string { return d.Plugin().RegistrationSocket() }

// Serve serves and registers until ctx ends. Then the sockets are gone.
func (d Driver) Serve(ctx context.Context) error { return d.Plugin().Serve(ctx) }
