package volume

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// mountAt gives what is mounted at path, the topmost of several, or nil.
func mountAt(path string) (*mountinfo.Info, error) {
	resolved, err := realPath(path)
	if err != nil {
		return nil, err
	}
	mounts, err := mountinfo.GetMounts(mountinfo.SingleEntryFilter(resolved))
	if err != nil || len(mounts) == 0 {
		return nil, err
	}
	return mounts[len(mounts)-1], nil
}

// realPath resolves links in the directories above path; path itself may be
// missing.
func realPath(path string) (string, error) {
	parent, err := filepath.EvalSymlinks(filepath.Dir(filepath.Clean(path)))
	if errors.Is(err, os.ErrNotExist) {
		return filepath.Clean(path), nil // then nothing can be mounted there
	}
	return filepath.Join(parent, filepath.Base(path)), err
}

// mountsOf gives all mounts of a device in the order in which they were made:
// of the file system on it, and of its node under /dev.
func mountsOf(device string) ([]*mountinfo.Info, error) {
	var s unix.Stat_t
	if err := unix.Stat(device, &s); err != nil {
		return nil, fmt.Errorf("look at %s: %w", device, err)
	}
	major, minor := int(unix.Major(s.Rdev)), int(unix.Minor(s.Rdev))
	return mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		fileSystem := m.Major == major && m.Minor == minor
		node := m.FSType == "devtmpfs" && m.Root == "/"+filepath.Base(device)
		return !fileSystem && !node, false
	})
}

// isMountOf says whether m is a mount of the device or of its node.
func isMountOf(m *mountinfo.Info, device string) (bool, error) {
	mounts, err := mountsOf(device)
	return slices.ContainsFunc(mounts, func(o *mountinfo.Info) bool { return o.ID == m.ID }), err
}

func readOnly(m *mountinfo.Info) bool {
	return slices.Contains(strings.Split(m.Options, ","), "ro")
}

// unmountAll unmounts path until nothing is mounted there. It does so itself: a
// umount(8) that outlives us could take away what is mounted there next.
func unmountAll(path string) error {
	for {
		m, err := mountAt(path)
		if err != nil || m == nil {
			return err
		}
		if err := unix.Unmount(m.Mountpoint, unix.UMOUNT_NOFOLLOW); err != nil {
			return fmt.Errorf("unmount %s: %w", m.Mountpoint, err)
		}
	}
}
