package engine

import (
	"fmt"
	"path/filepath"

	"github.com/mainstay-io/mainstay/internal/fence/agent"
)

// CheckWatchdog refuses what is no watchdog of this machine: a mistake is told now, not
// when the watchdog is needed. The empty path is none.
func CheckWatchdog(path string) error {
	if path != "" && !agent.IsWatchdog(path) {
		return fmt.Errorf("--watchdog %s: this machine has no watchdog there; its own are named in /sys/class/watchdog, and `modprobe softdog` makes one of the kernel's", path)
	}
	return nil
}

// checkWatchdogPath is for nodes that cannot be asked from here.
func checkWatchdogPath(path string) error {
	if path != "" && filepath.Dir(path) != "/dev" {
		return fmt.Errorf("--watchdog %q: write a device of the nodes, such as /dev/watchdog", path)
	}
	return nil
}
