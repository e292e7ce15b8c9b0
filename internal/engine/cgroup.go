package engine

import (
	"fmt"
	"os"

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
	return joinCgroup(name, process, &cgroups.Resources{SkipDevices: true})
}

// leaveContainer moves this process from a container's cgroups to one of its own, in
// every hierarchy: a runtime ends whatever is in the container's cgroup of devices.
func leaveContainer(name string) error {
	return joinCgroup(name, os.Getpid(), &cgroups.Resources{})
}

func joinCgroup(name string, process int, resources *cgroups.Resources) error {
	group, err := manager.New(&cgroups.Cgroup{Path: "/" + name, Resources: resources})
	if err != nil {
		return fmt.Errorf("cgroup %s: %w", name, err)
	}
	if err := group.Apply(process); err != nil {
		return fmt.Errorf("make cgroup %s: %w", name, err)
	}
	return nil
}
