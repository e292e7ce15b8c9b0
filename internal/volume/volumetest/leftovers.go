// Package volumetest holds what the tests of the volume packages share: proof
// that they leave no loop device and no mount behind.
package volumetest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// RequireRoot skips a test that makes loop devices and mounts.
func RequireRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes loop devices and mounts")
	}
}

// Dir gives a directory for the test. At the test's end, after all cleanups
// registered later, the test fails if a loop device or a mount is left below it.
func Dir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() {
		for _, l := range Leftovers(t, dir) {
			t.Errorf("left behind: %s", l)
		}
	})
	return dir
}

// Leftovers lists the loop devices with a backing file below dir, and the mounts
// below it. It gives them a moment to go: a container that is being made on the
// machine has a copy of every mount until it has its own root.
func Leftovers(t *testing.T, dir string) []string {
	t.Helper()
	for range 100 {
		if len(leftovers(t, dir)) == 0 {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return leftovers(t, dir)
}

func leftovers(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	files, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if backing, err := os.ReadFile(f); err == nil {
			found = append(found, f+": "+strings.TrimSpace(string(backing)))
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	found = append(found, strings.Split(string(mounts), "\n")...)
	return slices.DeleteFunc(found, func(s string) bool { return !strings.Contains(s, dir) })
}
