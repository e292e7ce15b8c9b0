package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

// demand is something that is asked of a pool which has the volume "v", an ext4,
// and its snapshot "s".
type demand struct {
	name string
	run  func(p *Pool, dir string) error
}

// demands are those that need a pool in which something can be written.
func demands() []demand {
	ctx := context.Background()
	return []demand{
		{"create", func(p *Pool, _ string) error {
			_, err := p.Create(ctx, Spec{Name: "w", RequiredBytes: 8 * mib, FileSystem: RawBlock})
			return err
		}},
		{"expand", func(p *Pool, _ string) error { _, err := p.Expand("v", 16*mib, 0); return err }},
		{"snapshot", func(p *Pool, _ string) error { _, err := p.Snapshot(ctx, "t", "v", alone); return err }},
		{"group", func(p *Pool, _ string) error {
			_, err := p.SnapshotGroup(ctx, "g", []string{"v"}, alone)
			return err
		}},
		{"clone", func(p *Pool, _ string) error {
			_, err := p.CreateFrom(ctx, Spec{Name: "c", FileSystem: Ext4}, Source{Volume: "v"}, alone)
			return err
		}},
		{"restore", func(p *Pool, _ string) error {
			_, err := p.CreateFrom(ctx, Spec{Name: "r", FileSystem: Ext4}, Source{Snapshot: "s"}, alone)
			return err
		}},
		{"modify", func(p *Pool, _ string) error {
			_, err := p.Modify("v", map[string]string{"maxIops": "100"})
			return err
		}},
		{"stage", func(p *Pool, dir string) error { return p.Stage(ctx, "v", filepath.Join(dir, "late"), nil) }},
		{"mount", func(p *Pool, dir string) error { return p.Mount(ctx, "v", filepath.Join(dir, "late"), false) }},
		{"delete a snapshot", func(p *Pool, _ string) error { return p.DeleteSnapshot("s") }},
		{"delete", func(p *Pool, _ string) error { return p.Delete("v") }},
		{"look how much is left", func(p *Pool, _ string) error { _, err := p.Available(); return err }},
	}
}

// populated gives a pool on the disk as demands need it.
func populated(t *testing.T, d disk) *Pool {
	t.Helper()
	p, err := Open(d.path)
	must(t, err)
	mustCreate(t, p, Spec{Name: "v", RequiredBytes: 8 * mib, FileSystem: Ext4})
	_, err = p.Snapshot(context.Background(), "s", "v", alone)
	must(t, err)
	return p
}

// requireRefused fails the test unless each demand is refused with such an error,
// soon, and says what it must.
func requireRefused(t *testing.T, p *Pool, dir string, demands []demand, want error, says string) {
	t.Helper()
	for _, d := range demands {
		begun := time.Now()
		err := d.run(p, dir)
		if !errors.Is(err, want) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %v: … %s …", d.name, err, want, says)
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("%s took %v", d.name, took)
		}
	}
}

// A full pool refuses what would need more, keeps what it has promised, and is
// whole again when there is room.
func TestPoolRunsFull(t *testing.T) {
	ctx := context.Background()
	for _, fs := range []string{"ext4", "xfs"} {
		d := newDisk(t, fs, 320*mib)
		p := populated(t, d)
		raw := mustCreate(t, p, Spec{Name: "raw", RequiredBytes: 32 * mib, FileSystem: RawBlock})
		available, err := p.Available()
		must(t, err)
		needMore := []demand{
			{"create", func(p *Pool, _ string) error {
				_, err := p.Create(ctx, Spec{Name: "w", RequiredBytes: available + mib, FileSystem: RawBlock})
				return err
			}},
			{"expand", func(p *Pool, _ string) error { _, err := p.Expand("v", 8*mib+available+mib, 0); return err }},
		}
		requireRefused(t, p, d.dir, needMore, ErrNoSpace, "delete volumes or add space")
		before, err := os.ReadDir(p.dir)
		must(t, err)

		// Somebody else takes all that is left, the reserve too.
		foreign := filepath.Join(d.path, "lost+found.of-somebody")
		fill(t, foreign)
		var writing []demand
		for _, demand := range demands() {
			switch demand.name {
			case "create", "expand", "snapshot", "group", "clone", "restore":
				writing = append(writing, demand)
			}
		}
		requireRefused(t, p, d.dir, writing, ErrNoSpace, "")
		if r, err := p.Get("v"); err != nil || r.Bytes != 8*mib || r.Quality != (qos.Parameters{}) {
			t.Errorf("%s: the volume has become %+v (%v)", fs, r, err)
		}
		writeSecrets(t, p, raw) // every byte that was promised
		must(t, os.Remove(foreign))
		requireEntries(t, p.dir, before)
		for _, demand := range demands() {
			if err := demand.run(p, d.dir); err != nil && demand.name != "mount" && demand.name != "delete" {
				t.Errorf("%s: with room again, %s: %v", fs, demand.name, err)
			}
		}
		_, err = p.Modify("v", map[string]string{"maxIops": "0"}) // the limit is the device's, whoever has it next
		must(t, err)
		must(t, p.Unstage("v", filepath.Join(d.dir, "late")))
	}
}

// fill makes a file of whatever a disk has left.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	chunk := make([]byte, mib)
	for size := len(chunk); size >= 512; {
		if _, err := f.Write(chunk[:size]); err != nil {
			size /= 2
		}
	}
	_ = f.Sync() // there may be no room for it either
}

func requireEntries(t *testing.T, dir string, want []os.DirEntry) {
	t.Helper()
	got, err := os.ReadDir(dir)
	must(t, err)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s holds %v, not %v", dir, got, want)
	}
}

// Where nothing can be written, everything that would says so, and what is mounted
// is still readable.
func TestPoolIsReadOnly(t *testing.T) {
	d := newDisk(t, "ext4", 128*mib)
	p := populated(t, d)
	must(t, os.Mkdir(filepath.Join(d.path, creatingPrefix+"dead"), 0o700)) // an operation was killed
	run(t, "mount", "-o", "remount,ro", d.path)
	again, err := Open(d.path)
	must(t, err)
	requireRefused(t, again, d.dir, demands()[:1], ErrUnusable, "read-only")
	requireRefused(t, p, d.dir, demands(), ErrUnusable, "read-only")
	if records, err := p.List(); err != nil || len(records) != 1 {
		t.Errorf("the pool lists %v (%v)", records, err)
	}
	run(t, "mount", "-o", "remount,rw", d.path)
	_, err = Open(d.path)
	must(t, err)
	requireContent(t, p, snapshotPrefix+"s", lostAndFound, "v")
	path := mounted(t, p, d.dir, "v")
	must(t, os.WriteFile(filepath.Join(path, "row"), []byte("written"), 0o600))
}

// A pool whose disk was unplugged says so, and puts nothing where it was mounted. It
// is the same pool as before when the disk is back; a volume that a pod still has
// from before has one device all the time.
func TestPoolIsUnplugged(t *testing.T) {
	ctx := context.Background()
	d := newDisk(t, "ext4", 128*mib)
	p := populated(t, d)
	staging, target := filepath.Join(d.dir, "staging"), filepath.Join(d.dir, "pod")
	must(t, p.Stage(ctx, "v", staging, nil))
	must(t, p.Publish(Publication{ID: "v", StagingPath: staging, TargetPath: target}))
	must(t, os.WriteFile(filepath.Join(target, "row"), []byte("acknowledged"), 0o600))

	must(t, unix.Unmount(d.path, unix.MNT_DETACH))
	requireRefused(t, p, d.dir, demands(), ErrUnusable, "is its disk mounted there?")
	if _, err := p.Get("v"); !errors.Is(err, ErrUnusable) {
		t.Errorf("a volume that is unplugged: %v", err)
	}
	if _, err := p.GetSnapshot("s"); !errors.Is(err, ErrUnusable) {
		t.Errorf("a snapshot that is unplugged: %v", err)
	}
	unlock, err := p.Lock(ctx, "v")
	must(t, err)
	unlock()
	if below, err := os.ReadDir(d.path); err != nil || len(below) != 0 {
		t.Errorf("below the mount point there is %v (%v)", below, err)
	}

	d.mount(t)
	second := filepath.Join(d.dir, "second")
	must(t, p.Mount(ctx, "v", second, false))
	if loops, err := findLoops(p.image("v")); err != nil || len(loops) != 1 {
		t.Errorf("a volume that a pod still has from before has the devices %v (%v)", loops, err)
	}
	if id, err := p.MountedAt(target); err != nil || id != "v" {
		t.Errorf("what the pod still has is %q (%v)", id, err)
	}
	if err := p.Delete("v"); !errors.Is(err, ErrInUse) {
		t.Errorf("deleting what a pod still has: %v", err)
	}
	must(t, p.Unpublish(target))
	must(t, p.Unstage("v", staging))
	if row, err := os.ReadFile(filepath.Join(second, "row")); err != nil || string(row) != "acknowledged" {
		t.Errorf("the row is %q (%v)", row, err)
	}
	must(t, p.Unpublish(second))
	must(t, unix.Unmount(d.path, 0)) // nothing holds it
}

// A raw block volume of a pool that was unplugged leaves no device behind.
func TestUnplugRawBlocks(t *testing.T) {
	ctx := context.Background()
	d := newDisk(t, "ext4", 128*mib)
	p := populated(t, d)
	r := mustCreate(t, p, Spec{Name: "raw", RequiredBytes: 8 * mib, FileSystem: RawBlock})
	staging, target := filepath.Join(d.dir, "unused"), filepath.Join(d.dir, "device")
	must(t, p.Stage(ctx, r.ID, staging, nil))
	must(t, p.Publish(Publication{ID: r.ID, TargetPath: target}))
	must(t, unix.Unmount(d.path, unix.MNT_DETACH))
	must(t, p.Unpublish(target))
	must(t, p.Unstage(r.ID, staging))
	d.mount(t)
	must(t, p.Delete(r.ID))
	must(t, unix.Unmount(d.path, 0)) // nothing holds it
}

// A pool's directory that has gone is not made anew.
func TestPoolHasVanished(t *testing.T) {
	d := newDisk(t, "ext4", 128*mib)
	dir := filepath.Join(d.path, "pool")
	p := populated(t, disk{path: dir})
	must(t, os.Rename(dir, dir+".away"))
	requireRefused(t, p, d.dir, demands(), ErrUnusable, "is its disk mounted there?")
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the pool's directory was made again (%v)", err)
	}
	must(t, os.Rename(dir+".away", dir))
	if records, err := p.List(); err != nil || len(records) != 1 {
		t.Errorf("back again, the pool lists %v (%v)", records, err)
	}
	must(t, os.Rename(dir, dir+".away"))
	_, err := Open(dir) // as another pool
	must(t, err)
	requireRefused(t, p, d.dir, demands(), ErrUnusable, "another pool")
}

// A pool whose medium fails says so, and hangs nowhere.
func TestPoolsMediumFails(t *testing.T) {
	d := newDisk(t, "ext4", 128*mib)
	p := populated(t, d)
	must(t, os.Truncate(d.medium, 0))
	must(t, os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0))
	for _, demand := range demands() {
		begun := time.Now()
		if err := demand.run(p, d.dir); err == nil {
			t.Errorf("%s was done on a disk that has gone", demand.name)
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("%s took %v", demand.name, took)
		}
	}
}

// A volume or snapshot whose image was cut or is gone is never attached, filled up
// or copied. It can be deleted.
func TestDamagedImages(t *testing.T) {
	for _, damage := range []struct {
		why   string
		do    func(image string) error
		bytes int64 // what is left; less than 0: nothing
		says  string
	}{
		{"cut", func(image string) error { return os.Truncate(image, 8*mib-1) }, 8*mib - 1, "cut to 8388607 of its 8388608 bytes"},
		{"gone", os.Remove, -1, "is gone"},
	} {
		d := newDisk(t, "ext4", 128*mib)
		p := populated(t, d)
		must(t, damage.do(p.image("v")))
		must(t, damage.do(filepath.Join(p.dir, snapshotPrefix+"s", imageFile)))
		raw := mustCreate(t, p, Spec{Name: "raw", RequiredBytes: 8 * mib, FileSystem: RawBlock})
		must(t, damage.do(p.image(raw.ID)))
		var using []demand
		for _, demand := range demands() {
			switch demand.name {
			case "expand", "snapshot", "group", "clone", "restore", "stage", "mount":
				using = append(using, demand)
			}
		}
		using = append(using,
			demand{"stage raw blocks", func(p *Pool, dir string) error {
				return p.Stage(context.Background(), raw.ID, filepath.Join(dir, "unused"), nil)
			}},
			demand{"publish raw blocks", func(p *Pool, dir string) error {
				return p.Publish(Publication{ID: raw.ID, TargetPath: filepath.Join(dir, "device")})
			}})
		requireRefused(t, p, d.dir, using, ErrDamaged, damage.says)
		if s, err := os.Stat(p.image("v")); err == nil && s.Size() != damage.bytes || err != nil && damage.bytes >= 0 {
			t.Errorf("an image that was %s has now %v (%v)", damage.why, s, err)
		}
		must(t, errors.Join(p.Delete("v"), p.Delete(raw.ID), p.DeleteSnapshot("s")))
		requireContent(t, p, lostAndFound)
	}
}
