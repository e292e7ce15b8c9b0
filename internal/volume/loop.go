package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// loopBlockSize is the logical block size of volumes' devices: what disks
// really write, and what the file systems on them use.
const loopBlockSize = 4096

// loopMajor is the major number of all loop devices (devices.txt of the kernel).
const loopMajor = 7

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
	if err := settleQueue(device.Name()); err != nil {
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
		backing := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), " (deleted)")
		l := loop{device: "/dev/" + filepath.Base(filepath.Dir(filepath.Dir(file))), backing: backing}
		below := strings.HasSuffix(path, "/") && strings.HasPrefix(backing, path)
		if backing == path || below {
			loops = append(loops, l)
		} else if image := l.astray(path); image != "" {
			loops = append(loops, loop{device: l.device, backing: image})
		}
	}
	return loops, nil
}

// astray gives the path of the image by which a device is backed, of those that
// findLoops looks for at path, if the kernel does not show it: a file system that was
// unmounted while it was in use has no path any more, and gets no other when it is
// mounted again; nor has one that was mounted in a container which is gone. What is
// shown then begins where the mount did.
func (l loop) astray(path string) (image string) {
	id, name := filepath.Base(filepath.Dir(l.backing)), filepath.Base(l.backing)
	image = path
	if strings.HasSuffix(path, "/") {
		image = filepath.Join(path, id, name)
	}
	if name != imageFile || !strings.HasSuffix(image, l.backing) {
		return ""
	}
	if _, err := os.Stat(image); errors.Is(err, fs.ErrNotExist) && image == path {
		return image // unmounted still
	}
	device, err := os.Open(l.device)
	if err != nil {
		return ""
	}
	defer device.Close()
	if !backs(device, image) {
		return ""
	}
	return image
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
