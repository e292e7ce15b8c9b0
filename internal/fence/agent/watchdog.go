package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Watchdog resets the machine when it has not been fed for as long as it was last told.
type Watchdog interface {
	// Feed takes whole seconds. An error of the first leaves open what holds.
	Feed(time.Duration) error
	// Disarm ends it; nothing resets the machine any more.
	Disarm() error
}

// device is a watchdog of the kernel:
// https://docs.kernel.org/watchdog/watchdog-api.html
type device struct{ file *os.File }

// IsWatchdog tells whether an absolute path is a watchdog of this machine, without opening
// it: that would start it.
func IsWatchdog(path string) bool {
	var s unix.Stat_t
	if !filepath.IsAbs(path) || unix.Stat(path, &s) != nil || s.Mode&unix.S_IFMT != unix.S_IFCHR {
		return false
	}
	called, err := os.Readlink(fmt.Sprintf("/sys/dev/char/%d:%d", unix.Major(s.Rdev), unix.Minor(s.Rdev)))
	return err == nil && strings.HasPrefix(filepath.Base(called), "watchdog")
}

// OpenWatchdog takes a watchdog of this machine, such as /dev/watchdog. It runs from then
// on. One that could not be disarmed any more is refused.
func OpenWatchdog(path string) (Watchdog, error) {
	if content, err := os.ReadFile(filepath.Join(kernelsView(path), "nowayout")); err == nil && strings.TrimSpace(string(content)) == "1" {
		return nil, fmt.Errorf("the watchdog %s can never be stopped: load its module with nowayout=0", path)
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, unix.EBUSY) {
		return nil, fmt.Errorf("the watchdog %s is in use by another program, such as systemd with RuntimeWatchdogSec", path)
	}
	if err != nil {
		return nil, fmt.Errorf("the watchdog cannot be used: %w", err)
	}
	return device{file}, nil
}

// kernelsView is where the kernel tells of a watchdog. /dev/watchdog is the first.
func kernelsView(path string) string {
	name := filepath.Base(path)
	if name == "watchdog" {
		name = "watchdog0"
	}
	return filepath.Join("/sys/class/watchdog", name)
}

func (d device) Feed(timeout time.Duration) error {
	seconds, fd := int(timeout/time.Second), int(d.file.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.WDIOC_SETTIMEOUT, seconds); err != nil {
		return fmt.Errorf("the watchdog %s cannot wait for %d s: %w", d.file.Name(), seconds, err)
	}
	waits, err := unix.IoctlGetUint32(fd, unix.WDIOC_GETTIMEOUT)
	if err == nil && int(waits) > seconds {
		err = fmt.Errorf("it waits for %d s if told %d", waits, seconds)
	}
	if err == nil {
		err = unix.IoctlWatchdogKeepalive(fd)
	}
	if err != nil {
		return fmt.Errorf("the watchdog %s: %w", d.file.Name(), err)
	}
	return nil
}

// Disarm writes the letter without which the kernel takes an end for a crash.
func (d device) Disarm() error {
	_, err := d.file.WriteString("V")
	return errors.Join(err, d.file.Close())
}
