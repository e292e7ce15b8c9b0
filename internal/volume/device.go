package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
	utilexec "k8s.io/utils/exec"
)

// deviceLabel is the label of the file system on a block device that is a pool.
const deviceLabel = "mainstay"

// deviceContent is what is on a block device, as blkid(8) sees it. All is empty on
// an empty one.
type deviceContent struct {
	fileSystem string // or what else claims the whole device, as LVM2_member or swap
	partitions string // the kind of the partition table
	label      string
}

// mustFormat says whether a device with this content has to be formatted before it
// is mounted as a pool. The error says why it must not be touched. Expected has no
// ID if there was never a pool of that name on this node.
func mustFormat(c deviceContent, expected identity, device string) (bool, error) {
	switch {
	case c == (deviceContent{}) && expected.ID != "":
		return false, fmt.Errorf("%w: %s is empty, and was pool %s: is it the right device?", ErrUnusable, device, expected.Name)
	case c == (deviceContent{}):
		return true, nil
	case c.label == deviceLabel && (c.fileSystem == string(XFS) || c.fileSystem == string(Ext4)):
		return false, nil
	}
	holds := c.fileSystem
	if holds == "" {
		holds = "a partition table (" + c.partitions + ")"
	}
	return false, fmt.Errorf("%w: %s is not empty, it holds %s: name another device for pool %s, or, if nothing on it is needed, empty it with: wipefs --all %s",
		ErrUnusable, device, holds, expected.Name, device)
}

// examine looks what is on a block device, and changes nothing. The error wraps
// ErrInUse if somebody else uses it.
func examine(ctx context.Context, run utilexec.Interface, device string) (deviceContent, error) {
	// Whoever has mounted a device, swaps to it or has made it part of another one
	// holds it exclusively.
	if s, err := os.Stat(device); err != nil || s.Mode()&os.ModeType != os.ModeDevice {
		return deviceContent{}, fmt.Errorf("%w: %s is neither a directory nor a block device", ErrUnusable, device)
	}
	f, err := os.OpenFile(device, os.O_RDONLY|unix.O_EXCL, 0)
	if errors.Is(err, unix.EBUSY) {
		return deviceContent{}, fmt.Errorf("%w: %s is mounted elsewhere, or is part of another device (see: lsblk %s)", ErrInUse, device, device)
	}
	if err != nil {
		return deviceContent{}, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	defer f.Close()
	// blkid finds nothing on a device that it cannot read.
	if _, err := f.ReadAt(make([]byte, loopBlockSize), 0); err != nil {
		return deviceContent{}, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	const nothingFound = 2
	out, err := run.CommandContext(ctx, "blkid", "-p", "-o", "export", "-s", "TYPE", "-s", "PTTYPE", "-s", "LABEL", device).CombinedOutput()
	var exit utilexec.ExitError
	if errors.As(err, &exit) && exit.ExitStatus() == nothingFound {
		return deviceContent{}, nil
	}
	if err != nil {
		return deviceContent{}, fmt.Errorf("%w: cannot tell what is on %s: blkid: %w: %s", ErrUnusable, device, err, strings.TrimSpace(string(out)))
	}
	return parseDeviceContent(string(out)), nil
}

// parseDeviceContent reads lines such as TYPE=xfs.
func parseDeviceContent(export string) (c deviceContent) {
	for line := range strings.Lines(export) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "TYPE":
			c.fileSystem = value
		case "PTTYPE":
			c.partitions = value
		case "LABEL":
			c.label = value
		}
	}
	return c
}

// formatDevice makes the file system of a pool on an empty device: xfs, which
// shares blocks between files for the time of a snapshot, where it can be made.
func formatDevice(ctx context.Context, run utilexec.Interface, device string) error {
	// Neither is forced: they, too, refuse what holds something.
	command := []string{"mkfs.xfs", "-q", "-L", deviceLabel, "-m", "reflink=1", device}
	if _, err := run.LookPath(command[0]); err != nil {
		command = []string{"mkfs.ext4", "-q", "-L", deviceLabel, "-m", "0", device}
	}
	out, err := run.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s: %w: %s", ErrUnusable, strings.Join(command, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// mountPoolDevice has the pool's device mounted at dir, and formats it before if it
// is empty and never was a pool. Killed at any point, it may be repeated.
func mountPoolDevice(ctx context.Context, run utilexec.Interface, device, dir string, expected identity, reached func(string)) error {
	if mounted, err := deviceMountedAt(device, dir); err != nil || mounted {
		return err
	}
	content, err := examine(ctx, run, device)
	if err != nil {
		return err
	}
	format, err := mustFormat(content, expected, device)
	if err != nil {
		return err
	}
	if format {
		if err := formatDevice(ctx, run, device); err != nil {
			return err
		}
		reached("device formatted")
		if content, err = examine(ctx, run, device); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := mountWithQuota(device, dir, content.fileSystem); err != nil {
		return fmt.Errorf("%w: mount %s: %w; was it formatted only in part, or is it damaged (dmesg)? If it never held a volume, empty it with: wipefs --all %s",
			ErrUnusable, device, err, device)
	}
	reached("device mounted")
	return nil
}

// mountWithQuota mounts a file system with quotas for projects, which volumes that
// are directories need, where the kernel and the file system have them.
func mountWithQuota(device, dir, fileSystem string) error {
	err := unix.Mount(device, dir, fileSystem, unix.MS_NOATIME, "prjquota")
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOPROTOOPT) || errors.Is(err, unix.ESRCH) {
		err = unix.Mount(device, dir, fileSystem, unix.MS_NOATIME, "")
	}
	return err
}

// deviceMountedAt says whether the device is what is mounted at dir. Something else
// there is an error.
func deviceMountedAt(device, dir string) (bool, error) {
	m, err := mountAt(dir)
	if err != nil || m == nil {
		return false, err
	}
	if ours, err := isMountOf(m, device); err != nil || ours {
		return ours, err
	}
	return false, fmt.Errorf("%w: %s is mounted at %s, where %s should be: unmount it", ErrUnusable, m.Source, dir, device)
}
