package quota

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mainstay-io/mainstay/internal/volume/volumetest"
)

const mib = int64(1) << 20

// onEach runs a test on each kind of file system that has project quotas.
func onEach(t *testing.T, try func(t *testing.T, disk string)) {
	for _, fs := range []string{"ext4", "xfs"} {
		t.Run(fs, func(t *testing.T) { try(t, volumetest.QuotaDisk(t, volumetest.Dir(t), fs, 512*mib)) })
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// project gives a directory of a project with a limit.
func project(t *testing.T, disk string, id uint32, limit Amount) (dir string) {
	t.Helper()
	dir = filepath.Join(disk, fmt.Sprint(id))
	must(t, os.Mkdir(dir, 0o777))
	must(t, os.Chmod(dir, 0o777))
	must(t, Assign(dir, id))
	must(t, Set(disk, id, limit))
	return dir
}

func isFull(err error) bool { return errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.ENOSPC) }

// A project stops at its limit, of bytes or of files, and others do not notice.
func TestLimits(t *testing.T) {
	onEach(t, func(t *testing.T, disk string) {
		small := project(t, disk, First, Amount{Bytes: 8 * mib, Inodes: 10})
		other := project(t, disk, First+1, Amount{Bytes: 64 * mib})
		flood := filepath.Join(small, "flood")
		err := volumetest.AsPod(func() error { return os.WriteFile(flood, make([]byte, 9*mib), 0o600) })
		if !isFull(err) {
			t.Errorf("9 MiB into 8: %v", err)
		}
		now, err := Get(disk, First)
		if err != nil || now.Used.Bytes > 8*mib || now.Used.Bytes < 7*mib || now.Limit != (Amount{8 * mib, 10}) {
			t.Errorf("full: %+v (%v)", now, err)
		}
		must(t, os.Remove(flood))
		err = volumetest.AsPod(func() (err error) {
			for i := 0; i < 20 && err == nil; i++ {
				err = os.WriteFile(filepath.Join(small, fmt.Sprint(i)), nil, 0o600)
			}
			return err
		})
		if !isFull(err) {
			t.Errorf("20 files into 10: %v", err)
		}
		must(t, volumetest.AsPod(func() error { return os.WriteFile(filepath.Join(other, "x"), make([]byte, 60*mib), 0o600) }))
		var s unix.Statfs_t
		must(t, unix.Statfs(other, &s))
		if total, free := int64(s.Blocks)*s.Bsize, int64(s.Bavail)*s.Bsize; total != 64*mib || free > 4*mib {
			t.Errorf("statfs shows %d bytes, %d of them free", total, free)
		}
	})
}

// What a project is limited to, and takes, is known while there is any of it.
func TestList(t *testing.T) {
	onEach(t, func(t *testing.T, disk string) {
		if enforced, err := Enforced(disk); err != nil || !enforced {
			t.Errorf("enforced: %v (%v)", enforced, err)
		}
		project(t, disk, First, Amount{Bytes: 8 * mib})
		project(t, disk, Last, Amount{Bytes: 16 * mib, Inodes: 5})
		project(t, disk, 1048577, Amount{Bytes: mib}) // somebody else's
		project(t, disk, Last+1, Amount{Bytes: mib})
		listed, err := List(disk)
		if err != nil || len(listed) != 2 || listed[0].ID != First || listed[1].ID != Last || listed[1].Limit != (Amount{16 * mib, 5}) || listed[1].Used.Inodes != 1 {
			t.Errorf("listed: %+v (%v)", listed, err)
		}
		must(t, os.Remove(filepath.Join(disk, fmt.Sprint(First))))
		must(t, Set(disk, First, Amount{}))
		if p, err := Get(disk, First); err != nil || p.Limit != (Amount{}) {
			t.Errorf("without a limit: %+v (%v)", p, err)
		}
		if p, err := Get(disk, First+7); err != nil || p != (Project{ID: First + 7}) {
			t.Errorf("never heard of: %+v (%v)", p, err)
		}
	})
}

func TestAssigned(t *testing.T) {
	onEach(t, func(t *testing.T, disk string) {
		dir := project(t, disk, First, Amount{})
		inner := filepath.Join(dir, "a", "b")
		must(t, os.MkdirAll(inner, 0o700))
		for path, want := range map[string]bool{dir: true, inner: true, disk: false} {
			if assigned, err := Assigned(path, First); err != nil || assigned != want {
				t.Errorf("%s: %v (%v)", path, assigned, err)
			}
		}
		if assigned, err := Assigned(dir, First+1); err != nil || assigned {
			t.Errorf("another project: %v (%v)", assigned, err)
		}
	})
}

// The kernel lets the owner of a file give it another project, and so take it out
// of his limit; in a user namespace it does not. What we tell users rests on this.
func TestWhoMayLeaveAProject(t *testing.T) {
	onEach(t, func(t *testing.T, disk string) {
		dir := project(t, disk, First, Amount{Bytes: 8 * mib})
		const somebody = 1000
		for _, c := range []struct {
			why    string
			child  *syscall.SysProcAttr
			leaves bool
		}{
			{"the owner, with no capability", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: somebody, Gid: somebody}}, true},
			{"the owner, root of a user namespace", &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, Credential: &syscall.Credential{},
				UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: somebody, Size: 1}},
				GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: somebody, Size: 1}}}, false},
		} {
			file := filepath.Join(dir, fmt.Sprint(c.leaves))
			must(t, os.WriteFile(file, nil, 0o600))
			must(t, os.Chown(file, somebody, somebody))
			f, err := os.Open(file)
			must(t, err)
			leave := exec.Command("/proc/self/exe", "-test.run=^TestLeave$")
			leave.Env, leave.ExtraFiles, leave.SysProcAttr = append(os.Environ(), leaving+"=1"), []*os.File{f}, c.child
			out, err := leave.CombinedOutput()
			f.Close()
			if err != nil {
				t.Fatalf("%s: %v: %s", c.why, err, out)
			}
			left := false
			must(t, withAttributes(file, func(_ uintptr, a attributes) error { left = a.project != First; return nil }))
			if left != c.leaves {
				t.Errorf("%s: left its project: %v; %s", c.why, left, out)
			}
		}
	})
}

const leaving = "MAINSTAY_TEST_LEAVES"

// TestLeave is the process that tries to take the file with number 3 out of its
// project.
func TestLeave(t *testing.T) {
	if os.Getenv(leaving) == "" {
		t.Skip("run by TestWhoMayLeaveAProject")
	}
	must(t, os.NewFile(3, "the file").Chmod(0o640)) // he is the owner
	var a attributes
	must(t, ioctl(3, getAttributes, &a))
	a.project = 0
	fmt.Println("leaving:", ioctl(3, setAttributes, &a))
}

// A file system without quotas, and one that only counts, say so.
func TestWithout(t *testing.T) {
	volumetest.RequireRoot(t)
	dir := t.TempDir()
	must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"))
	t.Cleanup(func() { must(t, unix.Unmount(dir, 0)) })
	if _, err := Enforced(dir); !errors.Is(err, ErrNone) {
		t.Errorf("enforced: %v", err)
	}
	if _, err := List(dir); !errors.Is(err, ErrNone) {
		t.Errorf("list: %v", err)
	}
	if err := Set(dir, First, Amount{Bytes: mib}); !errors.Is(err, ErrNone) {
		t.Errorf("set: %v", err)
	}
}
