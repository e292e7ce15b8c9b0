package network

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// StepClock steps the wall clock of what runs on the host now by whole seconds, from
// the machine's; 0 sets it right again. Other clocks go on as they did.
//
// Linux has one wall clock for all, and time namespaces leave it alone. So the step
// happens where programs read the clock: in the code that the kernel maps into each
// process for that, the vDSO, which is changed while the host stands still. What is
// started later has the machine's time until StepClock is called again, and so has a
// program that asks the kernel without the vDSO, which neither Go nor the C library
// does.
func (h *Host) StepClock(offset time.Duration) error {
	switch {
	case runtime.GOARCH != "amd64":
		return fmt.Errorf("the clock of one host cannot be stepped on %s: the code for it is missing", runtime.GOARCH)
	case offset%time.Second != 0:
		return fmt.Errorf("a clock is stepped by whole seconds, not by %s", offset)
	case !h.On():
		return fmt.Errorf("%s has no power", h.Name())
	}
	code, err := ownVDSO()
	if err != nil {
		return fmt.Errorf("understand this kernel's vDSO: %w", err)
	}
	patch, err := code.patch(int64(offset / time.Second))
	if err != nil {
		return fmt.Errorf("understand this kernel's vDSO: %w", err)
	}
	err = poll(5*time.Second, func() (bool, error) { return h.patchClock(code, patch) })
	if err != nil {
		return fmt.Errorf("step the clock of %s: %w", h.Name(), err)
	}
	return nil
}

// patchClock stops the host and changes its processes, unless one of them stands where
// the change would be.
func (h *Host) patchClock(code vdso, patch []change) (done bool, err error) {
	if !h.paused() {
		if err := h.freeze("1"); err != nil {
			return false, err
		}
		defer func() { err = errors.Join(err, h.freeze("0")) }()
		if err := h.waitFrozen(); err != nil {
			return false, err
		}
	}
	processes, err := h.processes()
	if err != nil {
		return false, err
	}
	for _, process := range processes {
		start, found, err := findVDSO(process)
		if err != nil {
			return false, err
		}
		if !found { // it is dying, or has none
			continue
		}
		if standsIn(process, start, patch) {
			return false, nil
		}
		if err := code.apply(process, start, patch); err != nil {
			return false, err
		}
	}
	return true, nil
}

// processes are the host's, by their IDs.
func (h *Host) processes() (found []string, err error) {
	group, err := h.v2Group()
	if err != nil {
		return nil, err
	}
	err = walkGroups(group, func(path string) error {
		list, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		found = append(found, strings.Fields(string(list))...)
		return err
	})
	return found, err
}

// standsIn tells whether a thread of a process that stands still is about to execute
// what will be changed. One that waits in the kernel is not.
func standsIn(process string, start uint64, patch []change) bool {
	files, _ := filepath.Glob("/proc/" + process + "/task/*/syscall") // the pattern is right
	for _, file := range files {
		text, _ := os.ReadFile(file) // a thread that is gone stands nowhere
		words := strings.Fields(string(text))
		if len(words) == 0 {
			continue
		}
		at, err := strconv.ParseUint(strings.TrimPrefix(words[len(words)-1], "0x"), 16, 64)
		for _, c := range patch {
			if err == nil && at > start+c.offset && at < start+c.offset+uint64(len(c.code)) {
				return true
			}
		}
	}
	return false
}
