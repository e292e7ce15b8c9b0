package volume

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// releaseLoops detaches every device of an image. The error wraps ErrInUse if
// one of them has a user; that one stays.
func releaseLoops(image string) error {
	loops, err := findLoops(image)
	if err != nil {
		return err
	}
	for _, l := range loops {
		if err := detach(l); err != nil {
			return err
		}
	}
	return nil
}

// detach ends a loop device. Two users are waited for: somebody who merely looks
// at new devices, as udev does; and a container that is being made anywhere on
// the machine, which for a moment has a copy of every mount. The error wraps
// ErrInUse if the device stays mounted, in whatever mount namespace, or open.
func detach(l loop) error {
	const attempts, pause = 100, 10 * time.Millisecond
	var inUse error
	for range attempts {
		err := clearLoop(l)
		if err != nil && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("detach %s from %s: %w", l.device, l.backing, err)
		}
		// With another user the device only goes when that one does.
		if !attached(l) {
			return nil
		}
		inUse = fmt.Errorf("%w: %s (%s) is held open", ErrInUse, l.device, l.backing)
		if err != nil {
			inUse = fmt.Errorf("%w: %s (%s) is mounted", ErrInUse, l.device, l.backing)
		}
		time.Sleep(pause)
	}
	return inUse
}

// clearLoop asks the kernel to detach a device that nobody has mounted; the
// error wraps EBUSY if somebody has.
func clearLoop(l loop) error {
	// A file system holds its device exclusively.
	device, err := os.OpenFile(l.device, os.O_RDWR|unix.O_EXCL, 0)
	if err != nil {
		return err
	}
	defer device.Close()
	if err := unix.IoctlSetInt(int(device.Fd()), unix.LOOP_CLR_FD, 0); !errors.Is(err, unix.ENXIO) {
		return err
	}
	return nil // it is clear already
}

func attached(l loop) bool {
	loops, err := findLoops(l.backing)
	if err != nil {
		return true
	}
	for _, other := range loops {
		if other.device == l.device {
			return true
		}
	}
	return false
}
