package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"k8s.io/klog/v2"
)

// againVariable tells a program that it takes the place of an engine.
const againVariable = "MAINSTAY_STARTED_AGAIN"

// startAgain puts a fresh engine in the place of this one, in the same process: whoever
// started it need not do so again. It ends all that this one does, as `kill -9` would.
func startAgain(systemd notifier) error {
	environment := append(os.Environ(), againVariable+"=1")
	if systemd.socket != "" {
		environment = append(environment, notifyVariable+"="+systemd.socket)
	}
	klog.Flush()
	err := syscall.Exec("/proc/self/exe", os.Args, environment)
	return fmt.Errorf("start the engine again: %w", err)
}

// startedAgain tells whether startAgain has started this program, once.
func startedAgain() bool {
	_, again := os.LookupEnv(againVariable)
	if again {
		_ = os.Unsetenv(againVariable) // it fails for malformed names alone
		reapInherited()
	}
	return again
}

// reapInherited waits for the processes that the engine before has started: they have
// the same parent, which would otherwise never hear of their end.
func reapInherited() {
	lists, _ := filepath.Glob("/proc/self/task/*/children") // the pattern is well formed
	for _, list := range lists {
		content, _ := os.ReadFile(list)
		for _, word := range strings.Fields(string(content)) {
			pid, err := strconv.Atoi(word)
			if err != nil {
				continue
			}
			if child, err := os.FindProcess(pid); err == nil {
				go func() { _, _ = child.Wait() }()
			}
		}
	}
}
