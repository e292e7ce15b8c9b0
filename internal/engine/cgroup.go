package engine

import (
	"fmt"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/manager"
)

// ensureCgroup makes the cgroup below which kubelet puts all pods, in every
// hierarchy of a machine with cgroup v1, v2 or both.
func ensureCgroup(name string) error {
	group, err := manager.New(&cgroups.Cgroup{
		Path:      "/" + name,
		Resources: &cgroups.Resources{SkipDevices: true},
	})
	if err != nil {
		return fmt.Errorf("cgroup %s: %w", name, err)
	}
	if err := group.Apply(-1); err != nil { // -1: make it, put no process in
		return fmt.Errorf("make cgroup %s: %w", name, err)
	}
	return nil
}
