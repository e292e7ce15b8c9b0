package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Mount is Stage and Publish in one, for a face that has no call for staging: it
// mounts a volume at path, for one pod. Other paths on this node may have the
// volume at the same time, for reading only or for writing. Unpublish undoes it.
//
// Nothing is mounted in between, or at path with other rights than those asked
// for, even if the process is killed.
func (p *Pool) Mount(ctx context.Context, id, path string, readOnly bool) error {
	r, err := p.Get(id)
	if err != nil {
		return err
	}
	if r.FileSystem == RawBlock {
		return fmt.Errorf("%w: volume %s is a raw block volume and has no file system to mount", ErrConflict, id)
	}
	if r.FileSystem == Directory {
		attributes := uint64(unix.MOUNT_ATTR_NOATIME)
		if readOnly {
			attributes |= unix.MOUNT_ATTR_RDONLY
		}
		return p.mountFiles(r, path, attributes)
	}
	return p.mountDevice(ctx, r, path, func(device string) error {
		return mountOnce(device, path, r.FileSystem, readOnly)
	})
}

// mountOnce mounts a device at path by the calls that show a mount only when it
// is complete (Linux 5.2). Reading only is a property of this mount: the file
// system itself stays writable for others.
func mountOnce(device, path string, fs FileSystem, readOnly bool) error {
	config, err := unix.Fsopen(string(fs), unix.FSOPEN_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(config)
	if err := unix.FsconfigSetString(config, "source", device); err != nil {
		return err
	}
	if fs == XFS { // see defaultOptions
		if err := unix.FsconfigSetFlag(config, "nouuid"); err != nil {
			return err
		}
	}
	if err := unix.FsconfigCreate(config); err != nil {
		return err
	}
	attributes := unix.MOUNT_ATTR_NOATIME
	if readOnly {
		attributes |= unix.MOUNT_ATTR_RDONLY
	}
	mounted, err := unix.Fsmount(config, unix.FSMOUNT_CLOEXEC, attributes)
	if err != nil {
		return err
	}
	defer unix.Close(mounted)
	return unix.MoveMount(mounted, "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// MountedAt gives the ID of the volume that is mounted at path; empty if nothing
// is. The error wraps ErrConflict if what is mounted there is no volume of this
// pool.
func (p *Pool) MountedAt(path string) (id string, err error) {
	m, err := mountAt(path)
	if err != nil || m == nil {
		return "", err
	}
	if id, err := p.directoryMountedBy(m); err != nil || id != "" {
		return id, err
	}
	loops, err := findLoops(p.dir + "/")
	if err != nil {
		return "", err
	}
	for _, l := range loops {
		if ours, err := isMountOf(m, l.device); err == nil && ours {
			return filepath.Base(filepath.Dir(l.backing)), nil
		}
	}
	return "", fmt.Errorf("%w: %s is mounted at %s, and that is no volume of pool %s", ErrConflict, m.Source, path, p.dir)
}

// mountDevice attaches a volume that has a file system, and mounts it at path
// unless it is mounted there.
func (p *Pool) mountDevice(ctx context.Context, r Record, path string, mount func(device string) error) error {
	mounted, err := p.mountedFrom(r.ID, path)
	if err != nil {
		return err
	}
	if mounted {
		return p.growMounted(r, path) // what a call that was killed may not have done
	}
	if err := os.MkdirAll(path, 0o750); err != nil {
		return err
	}
	device, err := p.attachVolume(r, whileUsed)
	if err != nil {
		return err
	}
	// From the mount on, the mount keeps the device; a failure lets it go.
	defer device.Close()
	p.reached("attached")
	others, err := mountsOf(device.Name())
	if err != nil {
		return err
	}
	if len(others) == 0 {
		if err := p.growUnmounted(ctx, r, device); err != nil {
			return err
		}
	}
	if err := p.hold(r); err != nil {
		return err
	}
	if err := mount(device.Name()); err != nil {
		return fmt.Errorf("mount volume %s: %w", r.ID, err)
	}
	p.reached("mounted")
	if err := p.growMounted(r, path); err != nil {
		return err
	}
	return dropLostAndFound(path)
}

const lostAndFound = "lost+found"

// dropLostAndFound removes the empty directory that mkfs.ext4 makes:
// databases refuse to initialise in a directory that is not empty, and fsck
// makes it again when it needs it.
func dropLostAndFound(path string) error {
	err := os.Remove(filepath.Join(path, lostAndFound))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EROFS) {
		return nil
	}
	return err
}
