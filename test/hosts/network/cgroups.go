package network

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
)

// hierarchy is a tree of cgroups: there are several with version 1, one with 2, and
// all of them on a machine that has both.
type hierarchy struct {
	mountpoint string
	v2         bool
	options    string // what to mount it with, version 1 alone
}

func hierarchies() ([]hierarchy, error) {
	mounts, err := mountinfo.GetMounts(func(info *mountinfo.Info) (skip, stop bool) {
		return info.FSType != "cgroup" && info.FSType != "cgroup2", false
	})
	if err != nil {
		return nil, err
	}
	var found []hierarchy
	for _, m := range mounts {
		found = append(found, hierarchy{m.Mountpoint, m.FSType == "cgroup2", mountOptions(m.VFSOptions)})
	}
	if !slices.ContainsFunc(found, func(h hierarchy) bool { return h.v2 }) {
		return nil, errors.New("this machine has no cgroups of version 2, by which hosts are frozen and killed: mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified")
	}
	return found, nil
}

// mountOptions takes those that say which hierarchy it is: controllers or a name.
func mountOptions(super string) string {
	options := slices.DeleteFunc(strings.Split(super, ","), func(option string) bool {
		return slices.Contains([]string{"rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode"}, option) ||
			strings.HasPrefix(option, "release_agent=")
	})
	if len(options) == 1 && strings.HasPrefix(options[0], "name=") {
		options = append([]string{"none"}, options...)
	}
	return strings.Join(options, ",")
}

// makeGroup makes a host's cgroup in a hierarchy and returns the one that programs
// are started in. With version 2 a cgroup has processes or children with controllers,
// and the children are kubelet's to make. It gets the controllers that version 1 does
// not have: all of them if it is alone, else none.
func (h hierarchy) makeGroup(name string, alone bool) (string, error) {
	group := filepath.Join(h.mountpoint, name)
	if err := os.MkdirAll(group, 0o755); err != nil {
		return "", err
	}
	if h.v2 {
		if alone {
			if err := giveControllers(h.mountpoint); err != nil {
				return "", err
			}
		}
		session := filepath.Join(group, "session")
		return session, os.MkdirAll(session, 0o755)
	}
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} { // a cpuset without them takes no process
		if content, err := os.ReadFile(filepath.Join(h.mountpoint, file)); err == nil {
			if err := os.WriteFile(filepath.Join(group, file), content, 0); err != nil {
				return "", err
			}
		}
	}
	return group, nil
}

// giveControllers gives those of a tree of version 2 to the cgroups below its root.
func giveControllers(root string) error {
	controllers, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, controller := range strings.Fields(string(controllers)) {
		if err := os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+"+controller), 0); err != nil {
			return err
		}
	}
	return nil
}

// endGroups kills everything in a host's cgroups, and removes them. What is being
// started there meanwhile is killed as well: a cgroup with a process cannot be removed.
func endGroups(name string) error {
	trees, err := hierarchies()
	if err != nil {
		return err
	}
	err = poll(30*time.Second, func() (bool, error) {
		left := false
		for _, tree := range trees {
			group := filepath.Join(tree.mountpoint, name)
			if tree.v2 && exists(group) {
				if err := writeGroup(group, "cgroup.kill", "1"); err != nil {
					return false, err
				}
			}
			// A process that a freezer of version 1 holds does not die before it thaws.
			if err := thaw(group); err != nil {
				return false, err
			}
			left = removeGroups(group) || left
		}
		return !left, nil
	})
	if err != nil {
		return fmt.Errorf("kill all processes in the cgroups %s: %w", name, err)
	}
	return nil
}

func thaw(group string) error {
	return walkGroups(group, func(path string) error {
		if exists(filepath.Join(path, "freezer.state")) {
			return writeGroup(path, "freezer.state", "THAWED")
		}
		return nil
	})
}

// removeGroups removes a cgroup and those below; it reports whether any is left.
func removeGroups(group string) (left bool) {
	var found []string
	_ = walkGroups(group, func(path string) error { found = append(found, path); return nil }) // nothing here fails
	for _, path := range slices.Backward(found) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			left = true
		}
	}
	return left
}

// walkGroups visits a cgroup and those below, the outer ones first.
func walkGroups(group string, visit func(path string) error) error {
	return filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !entry.IsDir() {
			return err
		}
		return visit(path)
	})
}

// writeGroup sees nothing wrong in a cgroup that is gone.
func writeGroup(group, file, value string) error {
	err := os.WriteFile(filepath.Join(group, file), []byte(value), 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
