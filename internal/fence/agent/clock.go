package agent

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mainstay-io/mainstay/internal/fence"
)

// now reads CLOCK_BOOTTIME, which goes on while the machine is suspended.
func now() fence.Instant {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic(err) // no kernel since 2.6.39 refuses
	}
	return fence.Instant(t.Nano())
}

// bootID tells this boot of the machine from all others.
func bootID() (string, error) {
	content, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(content)), err
}

// alarm wakes at an instant, also one that the machine has slept through; Go's timers
// stand still meanwhile.
type alarm struct{ file *os.File }

func newAlarm() (alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return alarm{}, fmt.Errorf("make a timer: %w", err)
	}
	return alarm{file: os.NewFile(uintptr(fd), "timer")}, nil
}

// wait returns at the instant, or earlier when interrupted.
func (a alarm) wait(until fence.Instant) error {
	at := unix.NsecToTimespec(max(int64(until), 1)) // 0 would switch it off
	if err := unix.TimerfdSettime(int(a.file.Fd()), unix.TFD_TIMER_ABSTIME, &unix.ItimerSpec{Value: at}, nil); err != nil {
		return fmt.Errorf("set a timer: %w", err)
	}
	var expirations [8]byte
	_, err := a.file.Read(expirations[:])
	if err != nil && !os.IsTimeout(err) {
		return fmt.Errorf("wait for a timer: %w", err)
	}
	return nil
}

// interrupt ends wait, now and from now on.
func (a alarm) interrupt() { _ = a.file.SetReadDeadline(time.Unix(1, 0)) }
