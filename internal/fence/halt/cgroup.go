package halt

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// freeze holds all processes of a cgroup and of those below it, also those to come.
// One that waits in the kernel is held when it comes back from there.
func (p Pods) freeze(path string) error {
	if p.unified {
		return gone(write(path, "cgroup.freeze", "1"))
	}
	return gone(write(path, "freezer.state", "FROZEN"))
}

func (p Pods) thaw(path string) error {
	if p.unified {
		return write(path, "cgroup.freeze", "0")
	}
	return write(path, "freezer.state", "THAWED")
}

// kill ends the processes of a frozen cgroup, and tells whether some are left.
func (p Pods) kill(path string) (left bool, err error) {
	if p.unified {
		// It works on frozen processes, and on those that are being made
		// (Documentation/admin-guide/cgroup-v2.rst).
		if err := write(path, "cgroup.kill", "1"); err != nil {
			return false, err
		}
		events, err := os.ReadFile(filepath.Join(path, "cgroup.events"))
		return strings.Contains(string(events), "populated 1"), err
	}
	processes, err := processesBelow(path)
	if err != nil || len(processes) == 0 {
		return false, err
	}
	for _, id := range processes {
		// A process ID cannot be another's by now: the process is frozen.
		if err := unix.Kill(id, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return true, err
		}
	}
	return true, p.letDie(processes)
}

// letDie moves frozen processes with a pending SIGKILL to where nothing is frozen, for
// with cgroup v1 a frozen process cannot die. They wake, and execute nothing more
// (Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst); their pod's cgroup stays
// frozen all the time.
func (p Pods) letDie(processes []int) error {
	if err := os.Mkdir(p.ending(), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	for _, id := range processes {
		if err := write(p.ending(), "cgroup.procs", strconv.Itoa(id)); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}

// ending is where processes die with cgroup v1.
func (p Pods) ending() string { return p.root + ".ending" }

// processesBelow lists the processes of a cgroup and of those below it.
func processesBelow(path string) (found []int, err error) {
	err = filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return gone(err)
		}
		content, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		for word := range strings.FieldsSeq(string(content)) {
			if id, err := strconv.Atoi(word); err == nil {
				found = append(found, id)
			}
		}
		return gone(err)
	})
	return found, err
}

// gone forgets that a cgroup is not there any more.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

func write(cgroup, file, value string) error {
	// Without O_CREATE: a cgroup that ended is not made again.
	f, err := os.OpenFile(filepath.Join(cgroup, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(value)
	return err
}
