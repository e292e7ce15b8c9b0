package volume

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// loopBlockSize is the logical block size of volumes' devices: what disks
// really write, and what the file systems on them use.
const loopBlockSize = 4096

// attachAttempts bounds how often another process may take a free loop device
// from under our hands.
const attachAttempts = 64

// lifetime says when a loop device ends.
type lifetime uint32

const (
	// whileUsed devices go when their last user does, a mount or an open file,
	// so that a process that is killed leaks none.
	whileUsed lifetime = unix.LO_FLAGS_AUTOCLEAR
	// untilDetached devices stay; raw block volumes have no user of their own.
	untilDetached lifetime = 0
)

// attach gives the loop device of an image, and attaches one where there is
// none. The device is open in the returned file, which keeps it until it is
// closed; the caller closes it.
//
// Direct I/O goes past the page cache of the pool's file system: pages are
// cached once, and a flush of the volume is a flush of the disk.
func attach(image string, end lifetime) (*os.File, error) {
	device, err := openAttached(image)
	if err == nil && device == nil {
		device, err = attachNew(image, end)
	}
	if err != nil {
		return nil, err
	}
	if err := refuseDiscard(device.Name()); err != nil {
		return nil, errors.Join(err, device.Close())
	}
	return device, nil
}

func attachNew(image string, end lifetime) (*os.File, error) {
	backing, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer backing.Close()
	return configureFree(backing, end)
}

// openAttached opens the device to which the image is attached; nil without one.
func openAttached(image string) (*os.File, error) {
	loops, err := findLoops(image)
	if err != nil {
		return nil, err
	}
	for _, l := range loops {
		// Opened first and looked at then, so that it cannot end meanwhile.
		device, err := os.OpenFile(l.device, os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if backs(device, image) {
			return device, nil
		}
		device.Close()
	}
	return nil, nil
}

// configureFree attaches the backing file to a loop device that nobody uses.
func configureFree(backing *os.File, end lifetime) (*os.File, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: no loop devices (%w); load the kernel module loop", ErrUnsupported, err)
	}
	defer control.Close()
	config := unix.LoopConfig{Fd: uint32(backing.Fd()), Size: loopBlockSize}
	config.Info.Flags = uint32(end) | unix.LO_FLAGS_DIRECT_IO
	copy(config.Info.File_name[:len(config.Info.File_name)-1], backing.Name())

	for range attachAttempts {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fmt.Errorf("find a free loop device: %w", err)
		}
		device, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", n), os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		err = unix.IoctlLoopConfigure(int(device.Fd()), &config)
		if err == nil {
			return device, nil
		}
		device.Close()
		if !errors.Is(err, unix.EBUSY) {
			return nil, fmt.Errorf("attach %s to %s: %w", backing.Name(), device.Name(), err)
		}
	}
	return nil, fmt.Errorf("attach %s: other processes took %d free loop devices in a row", backing.Name(), attachAttempts)
}

// refuseDiscard keeps the device's users from giving preallocated blocks back
// to the pool, where somebody else would take them.
func refuseDiscard(device string) error {
	return os.WriteFile(filepath.Join("/sys/block", filepath.Base(device), "queue/discard_max_bytes"), []byte("0"), 0)
}

// loop is an attached loop device.
type loop struct {
	device  string // /dev/loopN
	backing string // its file's path, without the kernel's mark for deleted files
}

// findLoops gives the devices whose backing file is, or was, at path; if path
// ends in a slash, those of all files below it.
func findLoops(path string) ([]loop, error) {
	found, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		return nil, err
	}
	var loops []loop
	for _, file := range found {
		content, err := os.ReadFile(file)
		if err != nil {
			continue // detached meanwhile
		}
		l := loop{
			device:  "/dev/" + filepath.Base(filepath.Dir(filepath.Dir(file))),
			backing: strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), " (deleted)"),
		}
		below := strings.HasSuffix(path, "/") && strings.HasPrefix(l.backing, path)
		if l.backing == path || below {
			loops = append(loops, l)
		} else if image := imageLike(l.backing, path); image != "" && l.isOf(image) {
			loops = append(loops, loop{device: l.device, backing: image})
		}
	}
	return loops, nil
}

// imageLike gives the image at path, or below it, that may be the one which the
// kernel shows at another path; empty if there can be none.
//
// The kernel shows a file where the process that attached it had it. If that was
// in a container, and the container is gone, what is left of the path begins
// where the container had the pool mounted, as in /<id>/disk.img.
func imageLike(shown, path string) string {
	if filepath.Base(shown) != imageFile {
		return ""
	}
	tail := filepath.Join(filepath.Base(filepath.Dir(shown)), imageFile)
	if strings.HasSuffix(path, "/") {
		return path + tail
	}
	if strings.HasSuffix(path, "/"+tail) {
		return path
	}
	return ""
}

// isOf says whether the device is backed by the very file at path.
func (l loop) isOf(path string) bool {
	if _, err := os.Stat(path); err != nil {
		return false // and other people's devices are not even opened
	}
	device, err := os.Open(l.device)
	if err != nil {
		return false
	}
	defer device.Close()
	return backs(device, path)
}

// backs says whether the open loop device is backed by the very file at path,
// not by one that was deleted or replaced since.
func backs(device *os.File, path string) bool {
	info, err := unix.IoctlLoopGetStatus64(int(device.Fd()))
	if err != nil {
		return false
	}
	var s unix.Stat_t
	return unix.Stat(path, &s) == nil && s.Dev == info.Device && s.Ino == info.Inode
}

// growLoop makes the device as large as its backing file has become.
func growLoop(device *os.File) error {
	if err := unix.IoctlSetInt(int(device.Fd()), unix.LOOP_SET_CAPACITY, 0); err != nil {
		return fmt.Errorf("enlarge %s: %w", device.Name(), err)
	}
	return nil
}
