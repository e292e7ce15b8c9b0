package engine

import (
	"fmt"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/manager"
)

// ensureCgroup makes the cgroup below which kubelet puts all pods, in every
// hierarchy of a machine with cgroup v1, v2 or both.
func ensureCgroup(name string) error {
	return moveToCgroup(name, -1) // make it, put no process in
}

// moveToCgroup moves a process to a cgroup, which is made if it is missing. What
// the process starts from then on is in there, too.
func moveToCgroup(name string, process int) error {
	group, err := manager.New(&cgroups.Cgroup{
		Path:      "/" + name,
		Resources: &cgroups.Resources{SkipDevices: true},
	})
	if err != nil {
		return fmt.Errorf("cgroup %s: %w", name, err)
	}
	if err := group.Apply(process); err != nil {
		return fmt.Errorf("make cgroup %s: %w", name, err)
	}
	return nil
}
