package volumetest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// QuotaDisk gives a file system of that kind, ext4 or xfs, that holds projects to
// their limits, in a file below dir. It lasts as long as the test. Kernels without
// project quotas skip the test; test/machine/kernel runs such tests on one that has
// them.
func QuotaDisk(t testing.TB, dir, fs string, size int64) (mounted string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes loop devices and mounts")
	}
	image, mounted := filepath.Join(dir, fs+".img"), filepath.Join(dir, fs)
	format := []string{"mkfs.ext4", "-q", "-O", "project,quota", "-E", "quotatype=prjquota", image}
	if fs == "xfs" {
		format = []string{"mkfs.xfs", "-q", image}
	}
	if err := errors.Join(os.Mkdir(mounted, 0o755), os.WriteFile(image, nil, 0o600), os.Truncate(image, size)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(format[0], format[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", format, err, out)
	}
	if out, err := exec.Command("mount", "-o", "loop,noatime,prjquota", image, mounted).CombinedOutput(); err != nil {
		if plain := exec.Command("mount", "-o", "loop", image, mounted).Run(); plain == nil || strings.Contains(string(out), "wrong fs type") {
			_ = unix.Unmount(mounted, 0)
			t.Skipf("this kernel has no project quotas on %s: %s", fs, out)
		}
		t.Fatalf("mount %s: %v: %s", image, err, out)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mounted, 0); err != nil {
			t.Errorf("unmount %s: %v", mounted, err)
		}
	})
	return mounted
}

// AsPod does something with no more than what a container's root may do: without
// CAP_SYS_RESOURCE, for which ext4 knows no limit.
func AsPod(do func() error) error {
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // it ends with this goroutine
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var sets [2]unix.CapUserData
		if err := unix.Capget(&header, &sets[0]); err != nil {
			failed <- err
			return
		}
		sets[0].Effective &^= 1 << unix.CAP_SYS_RESOURCE
		if err := unix.Capset(&header, &sets[0]); err != nil {
			failed <- err
			return
		}
		failed <- do()
	}()
	return <-failed
}
