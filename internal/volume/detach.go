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

// detach ends a loop device. Somebody who merely looks at new devices, as udev
// does, is waited for; the error wraps ErrInUse if the device is mounted, in
// whatever mount namespace, or stays open.
func detach(l loop) error {
	const attempts, pause = 20, 10 * time.Millisecond
	for range attempts {
		// A file system holds its device exclusively.
		device, err := os.OpenFile(l.device, os.O_RDWR|unix.O_EXCL, 0)
		if errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("%w: %s (%s) is mounted", ErrInUse, l.device, l.backing)
		}
		if err != nil {
			return fmt.Errorf("open %s: %w", l.device, err)
		}
		err = unix.IoctlSetInt(int(device.Fd()), unix.LOOP_CLR_FD, 0)
		device.Close()
		if err != nil && !errors.Is(err, unix.ENXIO) {
			return fmt.Errorf("detach %s from %s: %w", l.device, l.backing, err)
		}
		// With another user the device only goes when that one does.
		if !attached(l) {
			return nil
		}
		time.Sleep(pause)
	}
	return fmt.Errorf("%w: %s (%s) is held open", ErrInUse, l.device, l.backing)
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
