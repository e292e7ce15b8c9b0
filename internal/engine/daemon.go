package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/util/wait"
)

// daemon is a process that outlives the engine: it has a session and a cgroup of its
// own, not those of a systemd unit, which end with the engine. The next engine finds it
// by its process ID in a file.
type daemon struct {
	name string
	// program is a name or path; arguments begin with what `ps` shows as its name.
	program   string
	arguments []string
	// mark is a word of its command line that no other process has.
	mark    string
	pidFile string
	logFile string
	cgroup  string // empty: the process moves itself
}

// launch starts the process, and returns when it is known to the next engine.
func (d daemon) launch(ctx context.Context) error {
	log, err := os.OpenFile(d.logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	command := exec.Command(d.program)
	command.Args = d.arguments
	command.Stdout, command.Stderr, command.Dir = log, log, "/"
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return fmt.Errorf("start %s: %w", d.name, err)
	}
	ended := make(chan struct{})
	go func() { _ = command.Wait(); close(ended) }() // reap it; waitExit sees that it is gone
	if err := writeFile(d.pidFile, []byte(strconv.Itoa(command.Process.Pid))); err != nil {
		return err
	}
	// One that has ended by now is found out below.
	if d.cgroup != "" {
		if err := moveToCgroup(d.cgroup, command.Process.Pid); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	// A process that has just begun has no command line for a moment, and running
	// would not know it.
	return wait.PollUntilContextCancel(ctx, time.Millisecond, true, func(context.Context) (bool, error) {
		select {
		case <-ended:
			return false, fmt.Errorf("%s ended at once; its log: %s", d.name, d.logFile)
		default:
			return d.running() != 0, nil
		}
	})
}

// running returns the process ID, or 0.
func (d daemon) running() int {
	content, err := os.ReadFile(d.pidFile)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(string(content))
	if err != nil {
		return 0
	}
	// The number may belong to another process by now: look at what it runs.
	arguments, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil || !strings.Contains(string(arguments), d.mark) {
		return 0
	}
	return pid
}

// asTold tells whether a process was started with the same arguments.
func (d daemon) asTold(pid int) bool {
	arguments, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	return err == nil && string(arguments) == strings.Join(d.arguments, "\x00")+"\x00"
}

// current tells whether a process is of this version, and was told the same.
func (d daemon) current(pid int) bool {
	return sameFile(d.program, fmt.Sprintf("/proc/%d/exe", pid)) && d.asTold(pid)
}

func sameFile(one, other string) bool {
	first, err := os.Stat(one)
	if err != nil {
		return false
	}
	second, err := os.Stat(other)
	return err == nil && os.SameFile(first, second)
}

// waitExit returns nil when the process has ended, or an error when ctx has.
func (d daemon) waitExit(ctx context.Context, look time.Duration) error {
	return wait.PollUntilContextCancel(ctx, look, false, func(context.Context) (bool, error) {
		return d.running() == 0, nil
	})
}

// stop ends the process by a signal, and returns when it has ended.
func (d daemon) stop(ctx context.Context, signal syscall.Signal) error {
	pid := d.running()
	if pid == 0 {
		return nil
	}
	if err := unix.Kill(pid, signal); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("stop %s (process %d): %w", d.name, pid, err)
	}
	return wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
		return d.running() == 0, nil
	})
}
