package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mainstay-io/mainstay/internal/volume/qos"
	"github.com/mainstay-io/mainstay/internal/volume/quota"
	"github.com/mainstay-io/mainstay/internal/volume/volumetest"
)

// onQuotas runs a test on a pool of each kind of file system that can limit
// directories.
func onQuotas(t *testing.T, try func(t *testing.T, p *Pool, dir string)) {
	for _, fs := range []string{"ext4", "xfs"} {
		t.Run(fs, func(t *testing.T) {
			dir := volumetest.Dir(t)
			p, err := Open(filepath.Join(volumetest.QuotaDisk(t, dir, fs, 400*mib), "pool"))
			must(t, err)
			t.Cleanup(func() { must(t, Cleanup(p.dir, dir)) })
			try(t, p, dir)
		})
	}
}

func directorySpec(name string, bytes int64) Spec {
	return Spec{Name: name, RequiredBytes: bytes, FileSystem: Directory}
}

// fillAsPod writes as much as a container's root can.
func fillAsPod(path string, bytes int64) error {
	return volumetest.AsPod(func() error { return os.WriteFile(path, make([]byte, bytes), 0o600) })
}

func isFull(err error) bool { return errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.ENOSPC) }

// requireNoLimits fails if the kernel still limits one of our projects.
func requireNoLimits(t *testing.T, p *Pool) {
	t.Helper()
	left, err := quota.List(p.dir)
	if err != nil && !errors.Is(err, quota.ErrNone) || len(left) > 0 {
		t.Errorf("projects are left: %+v (%v)", left, err)
	}
}

// A directory volume is as large as it was asked to be, as its pod sees it as well,
// grows while it is used, and outlives its pods.
func TestDirectoryVolume(t *testing.T) {
	onQuotas(t, func(t *testing.T, p *Pool, dir string) {
		ctx := context.Background()
		r := mustCreate(t, p, directorySpec("data", 16*mib))
		if again := mustCreate(t, p, directorySpec("data", 16*mib)); again != r {
			t.Errorf("asked for again: %+v, not %+v", again, r)
		}
		staging, target := filepath.Join(dir, "staging"), filepath.Join(dir, "pod")
		must(t, p.Stage(ctx, r.ID, staging, []string{"nosuid"}))
		must(t, p.Publish(Publication{ID: r.ID, StagingPath: staging, TargetPath: target}))
		if entries, err := os.ReadDir(target); err != nil || len(entries) != 0 {
			t.Fatalf("a new volume is not empty: %v (%v)", entries, err)
		}
		must(t, fillAsPod(filepath.Join(target, "row"), 4*mib))
		if err := fillAsPod(filepath.Join(target, "flood"), 20*mib); !isFull(err) {
			t.Errorf("20 MiB into a volume of 16: %v", err)
		}
		requireUsage(t, p, r.ID, target, 16*mib)
		grown, err := p.Expand(r.ID, 64*mib, 0)
		must(t, err)
		_, err = p.Grow(r.ID, target)
		must(t, err)
		requireUsage(t, p, r.ID, target, 64*mib)
		must(t, fillAsPod(filepath.Join(target, "flood"), 20*mib))
		if err := p.Delete(r.ID); !errors.Is(err, ErrInUse) {
			t.Errorf("deleting a mounted volume: %v", err)
		}
		must(t, p.Unpublish(target))
		must(t, p.Unstage(r.ID, staging))

		must(t, p.Mount(ctx, r.ID, target, true))
		if id, err := p.MountedAt(target); err != nil || id != r.ID {
			t.Errorf("mounted is %q (%v)", id, err)
		}
		if s, err := os.Stat(filepath.Join(target, "row")); err != nil || s.Size() != 4*mib {
			t.Errorf("the row is %v (%v)", s, err)
		}
		if err := os.WriteFile(filepath.Join(target, "x"), nil, 0o600); !errors.Is(err, unix.EROFS) {
			t.Errorf("writing where the volume is read-only: %v", err)
		}
		must(t, p.Unpublish(target))
		if kept, err := p.Get(r.ID); err != nil || kept != grown || kept.Bytes != 64*mib {
			t.Errorf("the record is %+v (%v)", kept, err)
		}
		must(t, p.Delete(r.ID))
		must(t, p.Delete(r.ID))
		requireContent(t, p)
		requireNoLimits(t, p)
	})
}

// requireUsage fails unless the pod sees a file system of that size and its inodes.
func requireUsage(t *testing.T, p *Pool, id, path string, bytes int64) {
	t.Helper()
	u, err := p.Usage(id, path)
	if err != nil || u.TotalBytes != bytes || u.UsedBytes < 4*mib || u.UsedBytes+u.AvailableBytes != bytes ||
		u.TotalInodes != bytes/inodeBytes || u.UsedInodes < 2 || u.UsedInodes > 4 {
		t.Errorf("of %d bytes: %+v (%v)", bytes, u, err)
	}
}

// What a volume was promised is there for it however much others take, bytes and
// files, and its pool counts with that from the beginning.
func TestDirectoryVolumesLeaveEachOtherTheirs(t *testing.T) {
	onQuotas(t, func(t *testing.T, p *Pool, dir string) {
		before, err := p.Available()
		must(t, err)
		size := before / 2 / Granule * Granule
		mine := mustCreate(t, p, directorySpec("mine", size))
		after, err := p.Available()
		if err != nil || before-after < size || before-after > size+2*mib {
			t.Errorf("a new volume of %d bytes takes %d (%v)", size, before-after, err)
		}
		greedy := mustCreate(t, p, directorySpec("greedy", after))
		if _, err := p.Create(context.Background(), directorySpec("late", Granule)); !errors.Is(err, ErrNoSpace) {
			t.Errorf("all is promised, and there is another: %v", err)
		}
		if _, err := p.Create(context.Background(), Spec{Name: "image", RequiredBytes: 8 * mib, FileSystem: RawBlock}); !errors.Is(err, ErrNoSpace) {
			t.Errorf("all is promised, and there is an image: %v", err)
		}
		if _, err := p.Expand(mine.ID, size+Granule, 0); !errors.Is(err, ErrNoSpace) {
			t.Errorf("all is promised, and one grows: %v", err)
		}
		full := mounted(t, p, dir, greedy.ID)
		if err := fillAsPod(filepath.Join(full, "flood"), after+mib); !isFull(err) {
			t.Errorf("more than it was promised: %v", err)
		}
		must(t, os.Remove(filepath.Join(full, "flood")))
		made := 0
		err = volumetest.AsPod(func() (err error) {
			for ; err == nil && made < 50_000; made++ {
				err = unix.Mknod(filepath.Join(full, fmt.Sprint(made)), unix.S_IFIFO, 0)
			}
			return err
		})
		if !isFull(err) {
			t.Errorf("%d files: %v", made, err)
		}
		must(t, fillAsPod(filepath.Join(mounted(t, p, dir, mine.ID), "all"), size-mib))
	})
}

// A file of a deleted volume that a process holds open has its limit until it is
// closed; then nothing is left.
func TestDeletedDirectoryInUse(t *testing.T) {
	onQuotas(t, func(t *testing.T, p *Pool, _ string) {
		r := mustCreate(t, p, directorySpec("v", 16*mib))
		held, err := os.Create(filepath.Join(p.files(r.ID), "held")) // past all mounts that we know of
		must(t, err)
		if err := p.Delete(r.ID); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "held open") {
			t.Errorf("a file is open: %v", err)
		}
		if _, err := p.Get(r.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("the volume is there: %v", err)
		}
		if _, err := Open(p.dir); err != nil {
			t.Errorf("opening the pool: %v", err)
		}
		err = volumetest.AsPod(func() error { _, err := held.Write(make([]byte, 20*mib)); return err })
		if !isFull(err) {
			t.Errorf("20 MiB into a deleted volume of 16: %v", err)
		}
		must(t, held.Close())
		must(t, p.Delete(r.ID))
		requireContent(t, p)
		requireNoLimits(t, p)
	})
}

// A pool that was mounted without quotas, or copied, gives no volume to a pod that
// would not be held to its size.
func TestUnlimitedDirectoryIsNotMounted(t *testing.T) {
	onQuotas(t, func(t *testing.T, p *Pool, dir string) {
		ctx, path := context.Background(), filepath.Join(dir, "pod")
		r := mustCreate(t, p, directorySpec("v", 16*mib))
		must(t, quota.Set(p.dir, r.Project, quota.Amount{}))
		must(t, p.Mount(ctx, r.ID, path, false))
		if now, err := quota.Get(p.dir, r.Project); err != nil || now.Limit.Bytes != r.Bytes {
			t.Errorf("its limit was lost, and is now %+v (%v)", now, err)
		}
		must(t, p.Unpublish(path))
		must(t, quota.Assign(p.files(r.ID), r.Project+1))
		if err := p.Mount(ctx, r.ID, path, false); err == nil || !strings.Contains(err.Error(), "chattr -R +P -p") {
			t.Errorf("its files have another project: %v", err)
		}
		must(t, quota.Assign(p.files(r.ID), r.Project))
		disk := filepath.Dir(p.dir)
		must(t, unix.Unmount(disk, 0))
		must(t, exec.Command("mount", "-o", "loop", disk+".img", disk).Run())
		if err := p.Mount(ctx, r.ID, path, false); !errors.Is(err, ErrUnsupported) {
			t.Errorf("the pool was mounted without quotas: %v", err)
		}
	})
}

func TestSoleDirectory(t *testing.T) {
	onQuotas(t, func(t *testing.T, p *Pool, dir string) {
		r := mustCreate(t, p, directorySpec("v", 16*mib))
		staging := mounted(t, p, dir, r.ID)
		publish := func(to string) error {
			target := filepath.Join(dir, to)
			t.Cleanup(func() { must(t, p.Unpublish(target)) })
			return p.Publish(Publication{ID: r.ID, StagingPath: staging, TargetPath: target, Sole: true})
		}
		must(t, publish("first"))
		must(t, publish("first"))
		if err := publish("second"); !errors.Is(err, ErrInUse) {
			t.Errorf("a second pod: %v", err)
		}
	})
}

func TestCleanupOfDirectories(t *testing.T) {
	onQuotas(t, func(t *testing.T, p *Pool, dir string) {
		r := mustCreate(t, p, directorySpec("v", 16*mib))
		must(t, p.Stage(context.Background(), r.ID, filepath.Join(dir, "staging"), nil))
		must(t, p.Mount(context.Background(), r.ID, filepath.Join(dir, "pod"), false))
		cleanUnused(t, p, dir)
		if mounts, err := directoryMounts(p.dir, ""); err != nil || len(mounts) > 0 {
			t.Errorf("left: %v (%v)", mounts, err)
		}
		if _, err := p.Get(r.ID); err != nil {
			t.Errorf("its data: %v", err)
		}
	})
}

// What a directory cannot do is refused, with words that say what can.
func TestDirectoryRefusals(t *testing.T) {
	onQuotas(t, func(t *testing.T, p *Pool, dir string) {
		ctx := context.Background()
		r := mustCreate(t, p, directorySpec("v", 16*mib))
		image := mustCreate(t, p, Spec{Name: "image", RequiredBytes: 8 * mib, FileSystem: RawBlock})
		s, err := p.Snapshot(ctx, "s", image.ID, alone)
		must(t, err)
		create := func(quality qos.Parameters, from Source, fs FileSystem) error {
			_, err := p.CreateFrom(ctx, Spec{Name: "new", RequiredBytes: 16 * mib, FileSystem: fs, Quality: quality}, from, alone)
			return err
		}
		modify := func(class map[string]string) error { _, err := p.Modify(r.ID, class); return err }
		snapshot := func() error { _, err := p.Snapshot(ctx, "t", r.ID, alone); return err }
		group := func() error {
			_, err := p.SnapshotGroup(ctx, "g", []string{image.ID, r.ID}, alone)
			return err
		}
		for _, c := range []struct {
			why  string
			err  error
			want error
		}{
			{"a promise", create(qos.Parameters{MinIOPS: 1}, Source{}, Directory), qos.ErrParameter},
			{"a maximum", create(qos.Parameters{MaxThroughput: mib}, Source{}, Directory), qos.ErrParameter},
			{"a maximum later", modify(map[string]string{"maxIops": "100"}), qos.ErrParameter},
			{"a class that says nothing", modify(map[string]string{"maxIops": "0"}), nil},
			{"a snapshot", snapshot(), ErrSource},
			{"a snapshot with others", group(), ErrSource},
			{"from a snapshot", create(qos.Parameters{}, Source{Snapshot: s.ID}, Directory), ErrSource},
			{"from a volume", create(qos.Parameters{}, Source{Volume: image.ID}, Directory), ErrSource},
			{"an image from a directory", create(qos.Parameters{}, Source{Volume: r.ID}, Ext4), ErrSource},
			{"a file system's mount option", p.Stage(ctx, r.ID, filepath.Join(dir, "staging"), []string{"discard"}), ErrUnsupported},
		} {
			if !errors.Is(c.err, c.want) || c.err != nil && !strings.Contains(c.err.Error(), "backend: file") {
				t.Errorf("%s: %v", c.why, c.err)
			}
		}
	})
}

// A pool has either promises to keep, or volumes that cannot be held back for them.
func TestDirectoriesBesidePromises(t *testing.T) {
	onQuotas(t, func(t *testing.T, p *Pool, _ string) {
		must(t, p.writeEnvelope(qos.Envelope{ReadIOPS: 1000, WriteIOPS: 1000, ReadThroughput: gib, WriteThroughput: gib}))
		guaranteed := Spec{Name: "guaranteed", RequiredBytes: 8 * mib, FileSystem: RawBlock, Quality: qos.Parameters{MinIOPS: 100}}
		create := func(s Spec) error { _, err := p.Create(context.Background(), s); return err }
		must(t, create(guaranteed))
		if err := create(directorySpec("v", 16*mib)); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "promised performance to 1") {
			t.Errorf("a directory beside a promise: %v", err)
		}
		must(t, p.Delete("guaranteed"))
		must(t, create(directorySpec("v", 16*mib)))
		if err := create(guaranteed); !errors.Is(err, qos.ErrNoPerformance) || !strings.Contains(err.Error(), "backend: directory") {
			t.Errorf("a promise beside a directory: %v", err)
		}
		must(t, p.Delete("v"))
		must(t, create(guaranteed))
	})
}

// A pool that cannot limit directories says what to do, and has nothing half made.
func TestPoolWithoutQuotas(t *testing.T) {
	volumetest.RequireRoot(t)
	dir := volumetest.Dir(t)
	must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"))
	t.Cleanup(func() { must(t, unix.Unmount(dir, 0)) })
	p, err := Open(filepath.Join(dir, "pool"))
	must(t, err)
	if _, err := p.Create(context.Background(), directorySpec("v", mib)); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "prjquota") {
		t.Errorf("error %v", err)
	}
	requireContent(t, p)
}

func TestInodesOf(t *testing.T) {
	for _, c := range []struct {
		why                                string
		bytes, poolBytes, poolInodes, want int64
	}{
		{"one for 16 KiB", 16 * mib, 100 * gib, 100 * gib / (4 << 10), 1024},
		{"no more than its share, where the pool has few", 16 * mib, 100 * gib, 100 * gib / mib, 16},
		{"the file system does not say", 16 * mib, 100 * gib, 0, 1024},
		{"itself", mib, 100 * gib, 10, 1},
	} {
		if got := inodesOf(c.bytes, c.poolBytes, c.poolInodes); got != c.want {
			t.Errorf("%s: %d, want %d", c.why, got, c.want)
		}
	}
}
