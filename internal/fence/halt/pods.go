package halt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Pods are those of one kubelet, by their cgroups.
type Pods struct {
	// root is the directory of kubelet's cgroup root in the hierarchy that can freeze.
	root string
	// unified: it is of cgroup v2.
	unified bool
}

// Of gives the pods below kubelet's cgroup root, such as "/kubepods", which need not
// be there yet. The mount is /sys/fs/cgroup.
func Of(mount, kubeletRoot string) Pods {
	if _, err := os.Stat(filepath.Join(mount, "cgroup.controllers")); err == nil {
		return Pods{root: filepath.Join(mount, kubeletRoot), unified: true}
	}
	return Pods{root: filepath.Join(mount, "freezer", kubeletRoot)}
}

// podCgroup matches the names that kubelet gives, with the drivers cgroupfs and systemd.
var podCgroup = regexp.MustCompile(`^(?:kubepods.*-)?pod([0-9a-f]{32}|[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})(?:\.slice)?$`)

// uidOf gives the UID of the pod that has a cgroup of this name; empty if none has.
func uidOf(name string) string {
	match := podCgroup.FindStringSubmatch(name)
	if match == nil {
		return ""
	}
	return strings.ReplaceAll(match[1], "_", "-")
}

// List gives the cgroup of each pod, by its UID.
func (p Pods) List() (map[string]string, error) {
	found := map[string]string{}
	err := filepath.WalkDir(p.root, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it ended meanwhile
		}
		if err != nil || !entry.IsDir() {
			return err
		}
		if uid := uidOf(entry.Name()); uid != "" {
			found[uid] = path
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for the cgroups of pods: %w", err)
	}
	return found, nil
}
