package volume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The rules in their order.
func TestMustFormat(t *testing.T) {
	never, before := identity{Name: "fast"}, identity{Name: "fast", ID: "1"}
	for _, c := range []struct {
		why      string
		content  deviceContent
		expected identity
		format   bool
		says     string // empty: not refused
	}{
		{"an empty device that was a pool", deviceContent{}, before, false, "is empty, and was pool fast"},
		{"an empty device", deviceContent{}, never, true, ""},
		{"a pool", deviceContent{fileSystem: "xfs", label: "mainstay"}, never, false, ""},
		{"a pool of before", deviceContent{fileSystem: "ext4", label: "mainstay"}, before, false, ""},
		{"somebody's file system", deviceContent{fileSystem: "xfs", label: "photos"}, never, false, "it holds xfs"},
		{"somebody's file system, where a pool was", deviceContent{fileSystem: "xfs"}, before, false, "it holds xfs"},
		{"a file system of no pool, with our label", deviceContent{fileSystem: "vfat", label: "mainstay"}, never, false, "it holds vfat"},
		{"partitions", deviceContent{partitions: "gpt"}, never, false, "a partition table (gpt)"},
		{"a part of LVM", deviceContent{fileSystem: "LVM2_member"}, never, false, "wipefs --all /dev/sdx"},
	} {
		format, err := mustFormat(c.content, c.expected, "/dev/sdx")
		if format != c.format || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v (%v)", c.why, format, err)
		}
	}
}

// poolsOn gives the pools of a node that has one on the device, beside the default
// one.
func poolsOn(t *testing.T, d disk) *Pools {
	t.Helper()
	p, err := NewPools([]Place{{Name: DefaultPool, Path: filepath.Join(d.dir, "default")}, {Name: "fast", Path: d.device}}, filepath.Join(d.dir, "state"))
	must(t, err)
	t.Cleanup(func() { must(t, CleanupAll(filepath.Join(d.dir, "default"), filepath.Join(d.dir, "state"), d.dir)) })
	return p
}

// An empty device becomes a pool once; its volumes are there whenever it is.
func TestDeviceBecomesAPool(t *testing.T) {
	d := newDevice(t, 400*mib)
	pools := poolsOn(t, d)
	must(t, Place{Name: "fast", Path: d.device}.Check(context.Background()))
	p, err := pools.Pool("fast")
	must(t, err)
	r := mustCreate(t, p, Spec{Name: "v", RequiredBytes: 8 * mib, FileSystem: Ext4})
	path := mounted(t, p, d.dir, r.ID)
	must(t, os.WriteFile(filepath.Join(path, "row"), []byte("acknowledged"), 0o600))
	if directory, device := pools.Where("fast"); directory != filepath.Join(d.dir, "state", "fast") || device != d.device {
		t.Errorf("the pool is said to be %s at %s", device, directory)
	}

	again := poolsOn(t, d) // after the engine was killed
	found, id, err := again.Of("fast/v")
	must(t, err)
	if got, err := found.Get(id); err != nil || got != r {
		t.Errorf("found again: %+v (%v)", got, err)
	}
	must(t, found.Unstage(id, path))
	must(t, unix.Unmount(p.Dir(), 0)) // somebody did
	if _, err := p.Get("v"); !errors.Is(err, ErrUnusable) {
		t.Errorf("in a pool that was unmounted: %v", err)
	}
	back, err := pools.Pool("fast")
	if err != nil || back != p {
		t.Fatalf("the pool was not mounted again: %v", err)
	}
	must(t, p.Delete("v"))

	// The directory that the disk was mounted at is not the pool.
	must(t, unix.Unmount(p.Dir(), 0))
	run(t, "wipefs", "--quiet", "--all", d.device)
	if _, err := pools.Pool("fast"); !errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), "is empty, and was pool fast") {
		t.Errorf("an empty disk in place of the pool's: %v", err)
	}
	if below, err := os.ReadDir(p.Dir()); err != nil || len(below) != 0 {
		t.Errorf("below the mount point there is %v (%v)", below, err)
	}
}

// Whatever is somebody's is refused, and not a byte of it is changed.
func TestForeignDevicesAreUntouched(t *testing.T) {
	for _, c := range []struct {
		why  string
		fill func(t *testing.T, d disk)
		says string
	}{
		{"an ext4", func(t *testing.T, d disk) { run(t, "mkfs.ext4", "-q", d.device) }, "holds ext4"},
		{"an xfs", func(t *testing.T, d disk) { run(t, "mkfs.xfs", "-q", "-L", "photos", d.device) }, "holds xfs"},
		{"swap", func(t *testing.T, d disk) { run(t, "mkswap", d.device) }, "holds swap"},
		{"a partition table", func(t *testing.T, d disk) {
			writeAt(t, d.device, 446, 0x80, 0, 2, 0, 0x83, 0, 2, 0, 0, 8, 0, 0, 0, 16, 0, 0) // one of 2 MiB, 1 MiB from the start
			writeAt(t, d.device, 510, 0x55, 0xaa)
		}, "partition table (dos)"},
		{"an xfs whose formatting was killed", func(t *testing.T, d disk) {
			run(t, "mkfs.xfs", "-q", "-L", deviceLabel, d.device)
			writeAt(t, d.device, 126, 1) // sb_inprogress
		}, "formatted only in part"},
	} {
		t.Run(c.why, func(t *testing.T) {
			d := newDevice(t, 400*mib)
			c.fill(t, d)
			before := d.content(t)
			if _, err := poolsOn(t, d).Pool("fast"); !errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error is %v", err)
			}
			if !bytes.Equal(before, d.content(t)) {
				t.Error("the device was changed")
			}
		})
	}
}

func writeAt(t *testing.T, path string, offset int64, bytes ...byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	_, err = f.WriteAt(bytes, offset)
	must(t, errors.Join(err, f.Sync(), f.Close()))
}

// Our label alone makes no pool.
func TestOurLabelOnSomebodysFiles(t *testing.T) {
	d := newDevice(t, 64*mib)
	run(t, "mkfs.ext4", "-q", "-L", deviceLabel, d.device)
	must(t, os.Mkdir(d.path, 0o700))
	d.mount(t)
	if _, err := poolsOn(t, d).Pool("fast"); !errors.Is(err, ErrInUse) {
		t.Errorf("a device that is mounted elsewhere: %v", err)
	}
	if err := (Place{Name: "fast", Path: d.device}).Check(context.Background()); !errors.Is(err, ErrInUse) {
		t.Errorf("checking a device that is mounted elsewhere: %v", err)
	}
	must(t, os.WriteFile(filepath.Join(d.path, "photo"), []byte("mine"), 0o600))
	must(t, unix.Unmount(d.path, 0))
	if _, err := poolsOn(t, d).Pool("fast"); !errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), "such as photo") {
		t.Errorf("a file system with our label and somebody's files: %v", err)
	}
	d.mount(t) // nobody has it mounted
	if left, err := os.ReadDir(d.path); err != nil || len(left) != 2 {
		t.Errorf("on it there is %v (%v)", left, err)
	}
	must(t, unix.Unmount(d.path, 0))
}

// Killed at any step of becoming a pool, a device is the pool at the next attempt.
func TestDeviceCrash(t *testing.T) {
	var steps []string
	for n := 1; ; n++ {
		d := newDevice(t, 400*mib)
		child := exec.Command(os.Args[0], "-test.run=^TestDeviceCrashChild$")
		child.Env = append(os.Environ(), fmt.Sprintf("%s=%s|%s|%d", deviceCrashEnvironment, d.dir, d.device, n))
		out, err := child.CombinedOutput()
		pools := poolsOn(t, d)
		p, found := pools.Pool("fast")
		must(t, found)
		requireContent(t, p)
		if err == nil {
			break
		}
		steps = append(steps, strings.TrimSpace(string(out)))
	}
	if got := strings.Join(steps, ", "); got != "device formatted, device mounted, pool identified" {
		t.Errorf("the steps were: %s", got)
	}
}

const deviceCrashEnvironment = "MAINSTAY_TEST_DEVICE_CRASH"

// TestDeviceCrashChild is the process that TestDeviceCrash kills.
func TestDeviceCrashChild(t *testing.T) {
	fields := strings.Split(os.Getenv(deviceCrashEnvironment), "|")
	if len(fields) != 3 {
		t.Skip("run by TestDeviceCrash")
	}
	var remaining int
	_, err := fmt.Sscan(fields[2], &remaining)
	must(t, err)
	pools, err := NewPools([]Place{{Name: DefaultPool, Path: filepath.Join(fields[0], "default")}, {Name: "fast", Path: fields[1]}}, filepath.Join(fields[0], "state"))
	must(t, err)
	pools.reached = killAfter(remaining)
	_, err = pools.Pool("fast")
	must(t, err)
}

// Without mkfs.xfs the pool is an ext4.
func TestDeviceWithoutXFS(t *testing.T) {
	d := newDevice(t, 64*mib)
	only := filepath.Join(d.dir, "bin")
	must(t, os.Mkdir(only, 0o700))
	for _, program := range []string{"mkfs.ext4", "blkid"} {
		path, err := exec.LookPath(program)
		must(t, err)
		must(t, os.Symlink(path, filepath.Join(only, program)))
	}
	t.Setenv("PATH", only)
	p, err := poolsOn(t, d).Pool("fast")
	must(t, err)
	if m, err := mountAt(p.Dir()); err != nil || m == nil || m.FSType != "ext4" {
		t.Errorf("mounted is %+v (%v)", m, err)
	}
}
