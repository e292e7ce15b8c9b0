package network

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// PowerOff cuts the power. Nothing leaves the host any more; on a disk of its own is
// what was synced, and perhaps more; all that ran is killed, and the host's mounts,
// loop devices, network and cgroups are gone. Once it has returned, nothing of the
// host can write anything. On a host without power it finishes what was left.
func (h *Host) PowerOff() error {
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"unplug its network", h.unplug},
		{"lose what its disk has not written", h.loseUnwritten},
		{"kill what runs on it", h.end},
		{"remove its network", func() error { return removeNamespace(h.Name()) }},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("power off %s: %s: %w", h.Name(), step.what, err)
		}
	}
	return nil
}

// unplug comes first: what the others have seen of the host happened before the disk
// lost what was not written.
func (h *Host) unplug() error {
	if !exists("/run/netns/" + h.network.switchName()) {
		return nil
	}
	for _, device := range []string{h.port(), h.port() + "-a"} { // the second is a bad cable's
		if inSwitch := "ip -n " + h.network.switchName(); run(inSwitch+" link show "+device) == nil {
			if err := run(inSwitch + " link delete " + device); err != nil {
				return err
			}
		}
	}
	return h.unsilence() // if it was paused
}

// end kills the host's processes and lets go what they held.
func (h *Host) end() error {
	if err := os.Remove(h.Enter()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // from here on the host is off
	}
	devices, err := loopsBelow(h.DataDir()) // once their mounts are gone they cannot be told
	if err != nil {
		return err
	}
	if err := endGroups(h.Name()); err != nil {
		return err
	}
	for _, kind := range namespaceKinds {
		if err := unmount(filepath.Join(h.namespaces(), kind)); err != nil {
			return err
		}
	}
	if err := unmount(h.DataDir()); err != nil {
		return err
	}
	return detach(devices)
}

// unmount removes all mounts at and below a path, the latest first.
func unmount(path string) error {
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(path))
	if err != nil {
		return err
	}
	for _, m := range slices.Backward(mounts) {
		if err := unix.Unmount(m.Mountpoint, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount %s: %w", m.Mountpoint, err)
		}
	}
	return nil
}
