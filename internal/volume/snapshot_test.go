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
	"time"

	"golang.org/x/sys/unix"
)

// alone is the Exclusive of a test that does one thing at a time.
func alone(context.Context, string) (func(), error) { return func() {}, nil }

// poolOn gives a pool on a file system of its own of that kind, and a directory
// beside it.
func poolOn(t *testing.T, fs string) (*Pool, string) {
	t.Helper()
	disk := newDisk(t, fs, 2*gib)
	p, err := Open(filepath.Join(disk.path, "pool"))
	must(t, err)
	t.Cleanup(func() { must(t, Cleanup(p.dir, disk.dir)) })
	return p, disk.dir
}

// mounted stages a volume and gives its path.
func mounted(t *testing.T, p *Pool, dir, id string) string {
	t.Helper()
	path := filepath.Join(dir, "staging-"+id)
	must(t, p.Stage(context.Background(), id, path, nil))
	t.Cleanup(func() { must(t, p.Unstage(id, path)) })
	return path
}

func restored(t *testing.T, p *Pool, name string, bytes int64, source Source, fs FileSystem) Record {
	t.Helper()
	r, err := p.CreateFrom(context.Background(), Spec{Name: name, RequiredBytes: bytes, FileSystem: fs}, source, alone)
	must(t, err)
	return r
}

// A snapshot of a volume in use holds what was written before it, not what was
// written after; it outlives the volume; what is restored is a volume like any
// other, with room for all its bytes, and may be mounted beside its source.
func TestSnapshotOutlivesItsVolume(t *testing.T) {
	for _, pool := range []string{"ext4", "xfs", "btrfs"} {
		for _, fs := range []FileSystem{Ext4, XFS} {
			t.Run(pool+"/"+string(fs), func(t *testing.T) {
				p, dir := poolOn(t, pool)
				ctx := context.Background()
				r := mustCreate(t, p, Spec{Name: "data", RequiredBytes: max(minSize[fs], 64*mib), FileSystem: fs, Claim: "default/data-0"})
				path := filepath.Join(dir, "staging")
				must(t, p.Stage(ctx, r.ID, path, nil))
				must(t, os.WriteFile(filepath.Join(path, "row"), []byte("before"), 0o600))
				s, err := p.Snapshot(ctx, "first", r.ID, alone)
				must(t, err)
				must(t, os.WriteFile(filepath.Join(path, "row"), []byte("after"), 0o600))
				t.Logf("frozen for %d ms", s.FrozenMilliseconds)
				if s.ID != "first" || s.Volume != r.ID || s.Bytes != r.Bytes || s.Claim != r.Claim || time.Since(s.Taken) > time.Minute {
					t.Errorf("the snapshot is %+v", s)
				}
				again, err := p.Snapshot(ctx, "first", r.ID, alone)
				if err != nil || !again.Taken.Equal(s.Taken) {
					t.Errorf("asked for again: %+v (%v)", again, err)
				}

				twin := restored(t, p, "twin", 0, Source{Snapshot: s.ID}, fs)
				requireAllocated(t, p.image(twin.ID), twin.Bytes)
				requireRow(t, mounted(t, p, dir, twin.ID), "before")
				requireOwnBlocks(t, p.image(r.ID))

				must(t, p.Unstage(r.ID, path))
				must(t, p.Delete(r.ID))
				late := restored(t, p, "late", 2*r.Bytes, Source{Snapshot: s.ID}, fs)
				grown := mounted(t, p, dir, late.ID)
				requireRow(t, grown, "before")
				if u, err := p.Usage(late.ID, grown); err != nil || u.TotalBytes < r.Bytes+r.Bytes/2 {
					t.Errorf("restored into %d bytes: %+v (%v)", late.Bytes, u, err)
				}
				requireAllocated(t, p.image(late.ID), late.Bytes)

				must(t, p.DeleteSnapshot(s.ID))
				must(t, p.DeleteSnapshot(s.ID))
				if left, err := p.ListSnapshots(); err != nil || len(left) != 0 {
					t.Errorf("left: %+v (%v)", left, err)
				}
				requireRow(t, grown, "before")
			})
		}
	}
}

func requireRow(t *testing.T, path, want string) {
	t.Helper()
	row, err := os.ReadFile(filepath.Join(path, "row"))
	if err != nil || string(row) != want {
		t.Errorf("the row in %s is %q (%v), want %q", path, row, err, want)
	}
}

// requireOwnBlocks fails if a volume shares blocks: each write to them would need
// new ones, and the pool may be full.
func requireOwnBlocks(t *testing.T, image string) {
	t.Helper()
	out, err := exec.Command("filefrag", "-v", image).CombinedOutput()
	must(t, err)
	if strings.Contains(string(out), "shared") {
		t.Errorf("%s shares blocks:\n%s", image, out)
	}
}

func TestCloneOfAVolumeInUse(t *testing.T) {
	for _, pool := range []string{"ext4", "xfs"} {
		t.Run(pool, func(t *testing.T) {
			p, dir := poolOn(t, pool)
			r := mustCreate(t, p, Spec{Name: "data", RequiredBytes: 8 * mib, FileSystem: Ext4})
			path := mounted(t, p, dir, r.ID)
			must(t, os.WriteFile(filepath.Join(path, "row"), []byte("before"), 0o600))
			clone := restored(t, p, "clone", 16*mib, Source{Volume: r.ID}, Ext4)
			must(t, os.WriteFile(filepath.Join(path, "row"), []byte("after"), 0o600))
			requireRow(t, mounted(t, p, dir, clone.ID), "before")
			requireAllocated(t, p.image(clone.ID), clone.Bytes)
			if again := restored(t, p, "clone", 16*mib, Source{Volume: r.ID}, Ext4); again.Source != clone.Source {
				t.Errorf("asked for again: %+v", again)
			}
		})
	}
}

// The rules in the order in which CreateFrom applies them.
func TestCreateFromRefuses(t *testing.T) {
	p, _ := testPool(t)
	ctx := context.Background()
	r := mustCreate(t, p, Spec{Name: "data", RequiredBytes: 8 * mib, FileSystem: Ext4})
	s, err := p.Snapshot(ctx, "s", r.ID, alone)
	must(t, err)
	from := Source{Snapshot: s.ID}
	for _, c := range []struct {
		why    string
		spec   Spec
		source Source
		want   error
	}{
		{"an impossible size", Spec{Name: "v", RequiredBytes: -1, FileSystem: Ext4}, from, ErrSize},
		{"a name that is taken", Spec{Name: "data", FileSystem: Ext4}, from, ErrConflict},
		{"no such snapshot", Spec{Name: "v", FileSystem: Ext4}, Source{Snapshot: "none"}, ErrNotFound},
		{"no such volume", Spec{Name: "v", FileSystem: Ext4}, Source{Volume: "none"}, ErrNotFound},
		{"a path for an ID", Spec{Name: "v", FileSystem: Ext4}, Source{Snapshot: "../s"}, ErrNotFound},
		{"another file system", Spec{Name: "v", FileSystem: RawBlock}, from, ErrSource},
		{"too small a limit", Spec{Name: "v", LimitBytes: 4 * mib, FileSystem: Ext4}, from, ErrSize},
		{"more than the pool has", Spec{Name: "v", RequiredBytes: MaxSize, FileSystem: Ext4}, from, ErrNoSpace},
	} {
		if _, err := p.CreateFrom(ctx, c.spec, c.source, alone); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.why, err, c.want)
		}
	}
	if _, err := p.Snapshot(ctx, "s", "other", alone); !errors.Is(err, ErrConflict) {
		t.Errorf("the name of another volume's snapshot: %v", err)
	}
	if _, err := p.Snapshot(ctx, "t", "none", alone); !errors.Is(err, ErrNotFound) {
		t.Errorf("a snapshot of nothing: %v", err)
	}
}

// What one volume's write waited for on another is in the group if the write is:
// a writer that writes each number to one volume and then to the other never
// finds the second ahead of the first.
func TestGroupIsOfOneMoment(t *testing.T) {
	for _, pool := range []string{"ext4", "xfs"} {
		t.Run(pool, func(t *testing.T) {
			p, dir := poolOn(t, pool)
			ctx := context.Background()
			// They are copied in the order of their names, in which they are also
			// written: without a common moment the second would be ahead.
			first := mustCreate(t, p, Spec{Name: "a-first", RequiredBytes: 200 * mib, FileSystem: Ext4})
			last := mustCreate(t, p, Spec{Name: "b-last", RequiredBytes: 200 * mib, FileSystem: Ext4})
			paths := []string{mounted(t, p, dir, first.ID), mounted(t, p, dir, last.ID)}
			for _, path := range paths { // so that one takes a while to copy, and then the other
				must(t, os.WriteFile(filepath.Join(path, "ballast"), bytes.Repeat([]byte("ballast "), int(128*mib/8)), 0o600))
			}
			stop, acknowledged := countTo(t, paths)
			asked := acknowledged()
			group, err := p.SnapshotGroup(ctx, "g", []string{last.ID, first.ID}, alone)
			must(t, err)
			stop()
			if len(group) != 2 {
				t.Fatalf("the group is %+v", group)
			}
			again, err := p.SnapshotGroup(ctx, "g", []string{first.ID, last.ID}, alone)
			if err != nil || len(again) != 2 || !again[0].Taken.Equal(group[0].Taken) {
				t.Errorf("asked for again: %+v (%v)", again, err)
			}
			if _, err := p.SnapshotGroup(ctx, "g", []string{first.ID}, alone); !errors.Is(err, ErrConflict) {
				t.Errorf("the name of another group: %v", err)
			}
			count := map[string]int{}
			for _, s := range group {
				v := restored(t, p, "of-"+s.Volume, 0, Source{Snapshot: s.ID}, Ext4)
				count[s.Volume] = lastNumber(t, mounted(t, p, dir, v.ID))
			}
			t.Logf("%d before it was asked for; in the group %v; frozen for %d ms", asked, count, group[0].FrozenMilliseconds)
			if count[first.ID] < count[last.ID] || count[last.ID] < asked {
				t.Errorf("%d were acknowledged before; the group has %v", asked, count)
			}
			if err := p.DeleteSnapshot(group[0].ID); !errors.Is(err, ErrMember) {
				t.Errorf("deleting one of a group: %v", err)
			}
			must(t, p.DeleteGroup("g"))
			must(t, p.DeleteGroup("g"))
			if left, err := p.ListSnapshots(); err != nil || len(left) != 0 {
				t.Errorf("left: %+v (%v)", left, err)
			}
		})
	}
}

// countTo writes numbers, each to one path after the other, each on disk before
// the next, until stop is called.
func countTo(t *testing.T, paths []string) (stop func(), acknowledged func() int) {
	t.Helper()
	var files []*os.File
	for _, path := range paths {
		f, err := os.Create(filepath.Join(path, "numbers"))
		must(t, err)
		files = append(files, f)
	}
	numbers, done, ended := make(chan int, 1), make(chan struct{}), make(chan struct{})
	numbers <- 0
	go func() {
		defer close(ended)
		for n := 1; ; n++ {
			for _, f := range files {
				_, err := fmt.Fprintf(f, "%d\n", n)
				if err := errors.Join(err, f.Sync()); err != nil {
					t.Error(err)
					return
				}
			}
			<-numbers
			numbers <- n
			select {
			case <-done:
				return
			default:
			}
		}
	}()
	acknowledged = func() int { n := <-numbers; numbers <- n; return n }
	stop = func() {
		close(done)
		<-ended
		for _, f := range files {
			f.Close()
		}
	}
	for acknowledged() < 5 {
		time.Sleep(time.Millisecond)
	}
	return stop, acknowledged
}

func lastNumber(t *testing.T, path string) (last int) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(path, "numbers"))
	must(t, err)
	for i, line := range strings.Fields(string(content)) {
		if line != fmt.Sprint(i+1) {
			t.Errorf("line %d of %s is %q", i+1, path, line)
		}
		last = i + 1
	}
	return last
}

// A raw block volume that somebody writes to has no moment on a file system that
// cannot make one; where nobody writes, or the file system can, it has.
func TestSnapshotOfRawBlocksInUse(t *testing.T) {
	for _, c := range []struct {
		pool    string
		writing bool
		want    error
	}{
		{"ext4", false, nil}, {"ext4", true, ErrInUse}, {"xfs", false, nil}, {"xfs", true, nil},
	} {
		t.Run(fmt.Sprintf("%s/writing=%v", c.pool, c.writing), func(t *testing.T) {
			p, dir := poolOn(t, c.pool)
			ctx := context.Background()
			r := mustCreate(t, p, Spec{Name: "raw", RequiredBytes: 32 * mib, FileSystem: RawBlock})
			must(t, p.Stage(ctx, r.ID, filepath.Join(dir, "unused"), nil))
			device, err := openAttached(p.image(r.ID))
			must(t, err)
			defer device.Close()
			_, err = device.WriteAt([]byte("before"), 0)
			must(t, err)
			stop := func() {}
			if c.writing {
				stop = writeAll(t, device.Name(), r.Bytes)
				n := byte(0)
				p.reached = func(step string) { // however seldom the writer gets its turn
					if step == "copied in use" || step == "written to meanwhile" {
						n++
						_, err := device.WriteAt([]byte{n}, r.Bytes-1)
						must(t, errors.Join(err, device.Sync()))
					}
				}
			}
			s, err := p.Snapshot(ctx, "s", r.ID, alone)
			stop()
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if err != nil {
				return
			}
			v := restored(t, p, "v", 0, Source{Snapshot: s.ID}, RawBlock)
			content, err := os.ReadFile(p.image(v.ID))
			if err != nil || string(content[:6]) != "before" {
				t.Errorf("restored: %q (%v)", content[:6], err)
			}
		})
	}
}

// writeAll writes new things everywhere but to the beginning, past all caches,
// until stop is called.
func writeAll(t *testing.T, path string, size int64) (stop func()) {
	t.Helper()
	device, err := os.OpenFile(path, os.O_WRONLY|unix.O_DIRECT, 0)
	must(t, err)
	block, err := unix.Mmap(-1, 0, loopBlockSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	must(t, err)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for offset := mib; ; offset = max((offset+mib)%size, mib) {
			block[0]++
			if _, err := device.WriteAt(block, offset); err != nil {
				t.Error(err)
			}
			select {
			case <-done:
				return
			default:
			}
		}
	}()
	return func() { close(done); <-ended; device.Close() }
}

func TestMayFreezeFor(t *testing.T) {
	if err := mayFreezeFor(time.Second, time.Minute); err != nil {
		t.Error(err)
	}
	if err := mayFreezeFor(2*time.Minute, time.Minute); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "2m0s") {
		t.Errorf("two minutes: %v", err)
	}
}

// A full pool refuses a snapshot before anything is changed, and the volume still
// takes all its bytes.
func TestFullPoolRefusesSnapshots(t *testing.T) {
	for _, pool := range []string{"ext4", "xfs"} {
		t.Run(pool, func(t *testing.T) {
			p, dir := poolOn(t, pool)
			available, err := p.Available()
			must(t, err)
			r := mustCreate(t, p, Spec{Name: "v", RequiredBytes: available * 3 / 5, FileSystem: RawBlock})
			must(t, p.Stage(context.Background(), r.ID, filepath.Join(dir, "unused"), nil))
			must(t, exec.Command("dd", "if=/dev/zero", "of="+deviceOf(t, p, r.ID), "bs=1M", "oflag=direct", fmt.Sprintf("count=%d", r.Bytes/mib)).Run())
			if _, err := p.Snapshot(context.Background(), "s", r.ID, alone); !errors.Is(err, ErrNoSpace) {
				t.Errorf("a snapshot larger than what is left: %v", err)
			}
			requireContent(t, p, r.ID)
		})
	}
}

func deviceOf(t *testing.T, p *Pool, id string) string {
	t.Helper()
	loops, err := findLoops(p.image(id))
	if err != nil || len(loops) != 1 {
		t.Fatalf("%v (%v)", loops, err)
	}
	return loops[0].device
}

// An engine that was killed together with its guard leaves volumes frozen. The
// next one thaws them as it opens the pool; so does taking the pool down.
func TestOpenAndCleanupThaw(t *testing.T) {
	p, dir := testPool(t)
	r := mustCreate(t, p, Spec{Name: "v", RequiredBytes: 8 * mib, FileSystem: Ext4})
	path := filepath.Join(dir, "staging")
	must(t, p.Stage(context.Background(), r.ID, path, nil))
	for why, end := range map[string]func() error{
		"open":    func() error { _, err := Open(p.dir); return err },
		"cleanup": func() error { return Cleanup(p.dir, dir) },
	} {
		must(t, p.Stage(context.Background(), r.ID, path, nil))
		must(t, exec.Command("fsfreeze", "--freeze", path).Run())
		must(t, end())
		must(t, p.Stage(context.Background(), r.ID, path, nil))
		requireWritable(t, why, path)
	}
}

// Another process that opens the pool leaves a volume frozen that somebody is
// taking a snapshot of.
func TestOpenThawsNothingUnderWay(t *testing.T) {
	p, dir := testPool(t)
	r := mustCreate(t, p, Spec{Name: "v", RequiredBytes: 8 * mib, FileSystem: Ext4})
	path := mounted(t, p, dir, r.ID)
	unlock, err := p.Lock(context.Background(), r.ID)
	must(t, err)
	must(t, exec.Command("fsfreeze", "--freeze", path).Run())
	_, err = Open(p.dir)
	must(t, err)
	if err := exec.Command("fsfreeze", "--freeze", path).Run(); err == nil {
		t.Error("it was thawed under the hands of whoever froze it")
	}
	unlock()
	_, err = Open(p.dir)
	must(t, err)
	requireWritable(t, "nobody works on it any more", path)
}

// requireWritable fails if a write below path waits for somebody to thaw it. It
// gives a guard a moment to do so.
func requireWritable(t *testing.T, story, path string) {
	t.Helper()
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(filepath.Join(path, "probe"), []byte(story), 0o600) }()
	select {
	case err := <-written:
		if err != nil {
			t.Errorf("%s: %v", story, err)
		}
	case <-time.After(5 * time.Second):
		thaw([]string{path})
		t.Errorf("%s: %s stays frozen; thawed by the test: %v", story, path, <-written)
	}
}

// The guard thaws when its time is over, and when it is killed its master does:
// neither is taken for a snapshot.
func TestThawedTooEarlyIsNoSnapshot(t *testing.T) {
	for _, c := range []struct {
		why   string
		limit time.Duration
		spoil func(f *freezing)
	}{
		{"the time is over", time.Second, func(*freezing) { time.Sleep(1500 * time.Millisecond) }},
		{"the guard was killed", time.Minute, func(f *freezing) { _ = unix.Kill(-f.guard.Process.Pid, unix.SIGKILL) }},
	} {
		p, dir := testPool(t)
		r := mustCreate(t, p, Spec{Name: "v", RequiredBytes: 8 * mib, FileSystem: Ext4})
		path := mounted(t, p, dir, r.ID)
		f, err := p.freeze(context.Background(), []string{path}, nil, c.limit)
		must(t, err)
		c.spoil(f)
		if _, err := f.thaw(); !errors.Is(err, ErrInUse) {
			t.Errorf("%s: %v", c.why, err)
		}
		requireWritable(t, c.why, path)
	}
}
