package network

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Pause stops a host as a hypervisor does: no program runs, and its kernel answers
// nobody. Its clocks go on. A process that waits for a disk inside the kernel stops
// as it comes back from there; Pause does not wait for that longer than a second.
func (h *Host) Pause() error {
	if !h.On() {
		return fmt.Errorf("%s has no power", h.Name())
	}
	if err := h.silence(); err != nil {
		return err
	}
	if err := h.freeze("1"); err != nil {
		return fmt.Errorf("pause %s: %w", h.Name(), err)
	}
	return h.waitFrozen()
}

// waitFrozen waits until nothing runs on the host, but not for what waits inside the
// kernel: it will stop as it comes back.
func (h *Host) waitFrozen() error {
	group, err := h.v2Group()
	if err != nil {
		return err
	}
	err = poll(time.Second, func() (bool, error) {
		events, err := os.ReadFile(filepath.Join(group, "cgroup.events"))
		return strings.Contains(string(events), "frozen 1"), err
	})
	if errors.Is(err, errLate) {
		return nil
	}
	return err
}

// Resume lets a paused host go on.
func (h *Host) Resume() error {
	if err := h.freeze("0"); err != nil {
		return fmt.Errorf("resume %s: %w", h.Name(), err)
	}
	return h.unsilence()
}

func (h *Host) freeze(value string) error {
	group, err := h.v2Group()
	if err != nil {
		return err
	}
	return writeGroup(group, "cgroup.freeze", value)
}

// v2Group is the host's cgroup of version 2, which all its processes are below.
func (h *Host) v2Group() (string, error) {
	trees, err := hierarchies()
	if err != nil {
		return "", err
	}
	tree := trees[slices.IndexFunc(trees, func(tree hierarchy) bool { return tree.v2 })] // there is one
	return filepath.Join(tree.mountpoint, h.Name()), nil
}

func (h *Host) paused() bool {
	group, err := h.v2Group()
	if err != nil {
		return false
	}
	frozen, err := os.ReadFile(filepath.Join(group, "cgroup.freeze"))
	return err == nil && string(frozen) == "1\n"
}

// silent names the host among those whose ports carry nothing.
func (h *Host) silent() string { return fmt.Sprintf("silent { %d }", group(h)) }

// silence has the host's port carry nothing.
func (h *Host) silence() error { return h.network.rule("add element bridge faults " + h.silent()) }

// unsilence has it carry again.
func (h *Host) unsilence() error { return h.network.takeOut(h.silent()) }
