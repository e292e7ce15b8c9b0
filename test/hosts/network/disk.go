package network

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

const minDisk = 32 << 20

// image is the file that a host's disk is.
func (h *Host) image() string { return filepath.Join(h.dir(), "disk") }

// filler takes all the space that was left.
func (h *Host) filler() string { return filepath.Join(h.DataDir(), "filler") }

// mountDisk mounts the host's disk, which it makes if there is none.
func (h *Host) mountDisk() error {
	if h.DiskBytes == 0 {
		return nil
	}
	if !exists(h.image()) {
		if err := h.format(); err != nil {
			return err
		}
	}
	return run("mount -o loop,discard " + h.image() + " " + h.DataDir())
}

// format makes the disk under another name: one with its own name is whole.
func (h *Host) format() error {
	part := h.image() + ".part"
	file, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := file.Truncate(h.DiskBytes); err != nil {
		return err
	}
	if err := run("mkfs.ext4 -q -m 0 " + part); err != nil { // root, too, may find it full
		return err
	}
	return os.Rename(part, h.image())
}

func (h *Host) hasDisk() (bool, error) {
	if h.DiskBytes == 0 || !exists(h.DataDir()) {
		return false, nil
	}
	return mountinfo.Mounted(h.DataDir())
}

// loseUnwritten has the file system of the host's disk give up at once, with nothing
// more written, not even its journal: what only the kernel's memory has is lost.
func (h *Host) loseUnwritten() error {
	mounted, err := h.hasDisk()
	if !mounted || err != nil {
		return err
	}
	dir, err := os.Open(h.DataDir())
	if err != nil {
		return err
	}
	defer dir.Close()
	const shutdown = 0x8004587d // EXT4_IOC_SHUTDOWN of the kernel's fs/ext4/ext4.h
	withoutLog := uint32(2)
	_, _, failed := unix.Syscall(unix.SYS_IOCTL, dir.Fd(), shutdown, uintptr(unsafe.Pointer(&withoutLog)))
	if failed != 0 {
		return failed
	}
	return h.MendDisk() // those who wait go on, and learn that the disk is gone
}

// HangDisk has the host's disk hang: whoever writes to it waits in the kernel.
func (h *Host) HangDisk() error {
	if err := h.needsDisk(); err != nil {
		return err
	}
	return h.control(freezeFileSystem)
}

// MendDisk ends what HangDisk began.
func (h *Host) MendDisk() error {
	if err := h.control(thawFileSystem); err != nil && !errors.Is(err, unix.EINVAL) { // it does not hang
		return err
	}
	return nil
}

// Of the kernel's include/uapi/linux/fs.h.
const (
	freezeFileSystem = 0xc0045877 // FIFREEZE
	thawFileSystem   = 0xc0045878 // FITHAW
)

// control asks something of the disk's file system.
func (h *Host) control(request uint) error {
	dir, err := os.Open(h.DataDir())
	if err != nil {
		return err
	}
	defer dir.Close()
	return unix.IoctlSetInt(int(dir.Fd()), request, 0)
}

// needsDisk refuses where the disk is the machine's own, or not there.
func (h *Host) needsDisk() error {
	if mounted, err := h.hasDisk(); !mounted || err != nil {
		return errors.Join(err, fmt.Errorf("%s has no disk of its own, or no power", h.Name()))
	}
	return nil
}

// FillDisk takes all the space of the host's disk.
func (h *Host) FillDisk() error {
	if err := h.needsDisk(); err != nil {
		return err
	}
	file, err := os.OpenFile(h.filler(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	var end int64
	for size := h.DiskBytes; size > 0; {
		err := unix.Fallocate(int(file.Fd()), 0, end, size)
		switch {
		case errors.Is(err, unix.ENOSPC):
			size /= 2
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("fill the disk of %s: %w", h.Name(), err)
		default:
			end += size
		}
	}
	return nil
}

// FreeDisk gives back what FillDisk took.
func (h *Host) FreeDisk() error {
	if err := os.Remove(h.filler()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
