package volume

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mainstay-io/mainstay/internal/volume/volumetest"
)

// testPool gives a pool in a directory of its own, and that directory.
func testPool(t *testing.T) (*Pool, string) {
	t.Helper()
	volumetest.RequireRoot(t)
	dir := volumetest.Dir(t)
	p, err := Open(filepath.Join(dir, "pool"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := Cleanup(filepath.Join(dir, "pool"), dir); err != nil {
			t.Error(err)
		}
	})
	return p, dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustCreate(t *testing.T, p *Pool, s Spec) Record {
	t.Helper()
	r, err := p.Create(context.Background(), s)
	must(t, err)
	return r
}

// Data outlives every pod of the volume, growth included; the size is enforced
// and allocated at all times.
func TestDataOutlivesPods(t *testing.T) {
	p, dir := testPool(t)
	ctx := context.Background()
	r := mustCreate(t, p, Spec{Name: "data", RequiredBytes: 16 * mib, FileSystem: Ext4})
	staging, target := filepath.Join(dir, "staging"), filepath.Join(dir, "pod")
	pub := Publication{ID: r.ID, StagingPath: staging, TargetPath: target}

	must(t, p.Stage(ctx, r.ID, staging, nil))
	must(t, p.Publish(pub))
	entries, err := os.ReadDir(target)
	if err != nil || len(entries) != 0 {
		t.Fatalf("a new volume is not empty: %v (%v)", entries, err)
	}
	must(t, os.WriteFile(filepath.Join(target, "row"), []byte("acknowledged"), 0o600))
	if err := os.WriteFile(filepath.Join(target, "flood"), make([]byte, 20*mib), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("20 MiB into a volume of 16 MiB: %v", err)
	}
	must(t, os.Remove(filepath.Join(target, "flood")))
	must(t, p.Unpublish(target))
	must(t, p.Unstage(r.ID, staging))

	grown, err := p.Expand(r.ID, 64*mib, 0)
	must(t, err)
	must(t, p.Stage(ctx, r.ID, staging, nil))
	must(t, p.Publish(pub))
	row, err := os.ReadFile(filepath.Join(target, "row"))
	if err != nil || string(row) != "acknowledged" {
		t.Fatalf("the row is %q (%v)", row, err)
	}
	u, err := p.Usage(r.ID, target)
	if err != nil || u.TotalBytes < 48*mib || u.TotalBytes > grown.Bytes {
		t.Fatalf("after growth to 64 MiB: %+v (%v)", u, err)
	}
	requireAllocated(t, p.image(r.ID), grown.Bytes)

	if err := p.Delete(r.ID); !errors.Is(err, ErrInUse) {
		t.Fatalf("deleting a mounted volume: %v", err)
	}
	must(t, p.Unpublish(target))
	must(t, p.Unstage(r.ID, staging))
	must(t, p.Delete(r.ID))
	requireContent(t, p)
}

// requireAllocated fails unless every block of the file is allocated.
func requireAllocated(t *testing.T, path string, size int64) {
	t.Helper()
	var s unix.Stat_t
	must(t, unix.Stat(path, &s))
	if s.Size != size || s.Blocks*512 < size {
		t.Fatalf("%s has %d bytes, %d of them allocated, want %d", path, s.Size, s.Blocks*512, size)
	}
}

func TestGrowWhileMounted(t *testing.T) {
	p, dir := testPool(t)
	staging := filepath.Join(dir, "staging")
	r := mustCreate(t, p, Spec{Name: "v", RequiredBytes: 16 * mib, FileSystem: Ext4})
	must(t, p.Stage(context.Background(), r.ID, staging, nil))
	_, err := p.Expand(r.ID, 64*mib, 0)
	must(t, err)
	r, err = p.Grow(r.ID, staging)
	if !hasCapability(unix.CAP_SYS_RESOURCE) {
		if !errors.Is(err, ErrInUse) {
			t.Fatalf("growing a mounted ext4 without CAP_SYS_RESOURCE: %v", err)
		}
		return // TestDataOutlivesPods shows the growth at the next Stage
	}
	must(t, err)
	u, err := p.Usage(r.ID, staging)
	if err != nil || u.TotalBytes < 48*mib {
		t.Fatalf("after growth to 64 MiB: %+v (%v)", u, err)
	}
	requireAllocated(t, p.image(r.ID), r.Bytes)
}

// A freed block stays the volume's: discards do not reach the image.
func TestDiscardKeepsAllocation(t *testing.T) {
	p, dir := testPool(t)
	staging := filepath.Join(dir, "staging")
	r := mustCreate(t, p, Spec{Name: "v", RequiredBytes: 16 * mib, FileSystem: Ext4})
	must(t, p.Stage(context.Background(), r.ID, staging, []string{"discard"}))
	file := filepath.Join(staging, "freed")
	must(t, os.WriteFile(file, make([]byte, 8*mib), 0o600))
	must(t, os.Remove(file))
	must(t, p.Unstage(r.ID, staging))
	requireAllocated(t, p.image(r.ID), r.Bytes)
}

func TestCreateIsRepeatable(t *testing.T) {
	p, _ := testPool(t)
	spec := Spec{Name: "v", RequiredBytes: 8 * mib, FileSystem: RawBlock, Claim: "default/data-0"}
	first := mustCreate(t, p, spec)
	again := mustCreate(t, p, spec)
	if first != again {
		t.Errorf("again gives %+v, not %+v", again, first)
	}
	for _, c := range []struct {
		why  string
		spec Spec
	}{
		{"larger", Spec{Name: "v", RequiredBytes: 9 * mib, FileSystem: RawBlock}},
		{"limited below its size", Spec{Name: "v", LimitBytes: 7 * mib, FileSystem: RawBlock}},
		{"of another kind", Spec{Name: "v", RequiredBytes: 8 * mib, FileSystem: Ext4}},
	} {
		if _, err := p.Create(context.Background(), c.spec); !errors.Is(err, ErrConflict) {
			t.Errorf("%s: error %v", c.why, err)
		}
	}
	if records, err := p.List(); err != nil || len(records) != 1 || records[0] != first {
		t.Errorf("the pool lists %+v (%v)", records, err)
	}
}

func TestFullPoolRefuses(t *testing.T) {
	p, _ := testPool(t)
	available, err := p.Available()
	must(t, err)
	if _, err := p.Create(context.Background(), Spec{Name: "v", RequiredBytes: available + gib, FileSystem: RawBlock}); !errors.Is(err, ErrNoSpace) {
		t.Fatalf("more than the pool has: %v", err)
	}
	requireContent(t, p)
}

func TestSoleAndReadOnly(t *testing.T) {
	p, dir := testPool(t)
	staging := filepath.Join(dir, "staging")
	r := mustCreate(t, p, Spec{Name: "v", RequiredBytes: 8 * mib, FileSystem: Ext4})
	must(t, p.Stage(context.Background(), r.ID, staging, nil))
	pub := func(name string, readOnly, sole bool) error {
		return p.Publish(Publication{ID: r.ID, StagingPath: staging, TargetPath: filepath.Join(dir, name), ReadOnly: readOnly, Sole: sole})
	}
	must(t, pub("writer", false, true))
	must(t, pub("writer", false, true))
	if err := pub("second", false, true); !errors.Is(err, ErrInUse) {
		t.Errorf("a second pod of a ReadWriteOncePod volume: %v", err)
	}
	must(t, pub("reader", true, false))
	if err := os.WriteFile(filepath.Join(dir, "reader", "x"), nil, 0o600); !errors.Is(err, unix.EROFS) {
		t.Errorf("writing where the volume is read-only: %v", err)
	}
	must(t, os.WriteFile(filepath.Join(dir, "writer", "x"), nil, 0o600))
}

func TestForeignMountIsNotTaken(t *testing.T) {
	p, dir := testPool(t)
	staging := filepath.Join(dir, "staging")
	mine := mustCreate(t, p, Spec{Name: "mine", RequiredBytes: 8 * mib, FileSystem: Ext4})
	other := mustCreate(t, p, Spec{Name: "other", RequiredBytes: 8 * mib, FileSystem: Ext4})
	must(t, p.Stage(context.Background(), other.ID, staging, nil))
	if err := p.Stage(context.Background(), mine.ID, staging, nil); !errors.Is(err, ErrInUse) {
		t.Errorf("staging where another volume is mounted: %v", err)
	}
}

// Cleanup ends whatever an engine that was killed has left, once and again.
func TestCleanup(t *testing.T) {
	p, dir := testPool(t)
	ctx := context.Background()
	fs := mustCreate(t, p, Spec{Name: "fs", RequiredBytes: 8 * mib, FileSystem: Ext4})
	block := mustCreate(t, p, Spec{Name: "block", RequiredBytes: 8 * mib, FileSystem: RawBlock})
	staging := filepath.Join(dir, "staging")
	must(t, p.Stage(ctx, fs.ID, staging, nil))
	must(t, p.Publish(Publication{ID: fs.ID, StagingPath: staging, TargetPath: filepath.Join(dir, "pod")}))
	must(t, p.Mount(ctx, fs.ID, filepath.Join(dir, "another pod"), true))
	must(t, p.Stage(ctx, block.ID, filepath.Join(dir, "unused"), nil))
	must(t, p.Publish(Publication{ID: block.ID, TargetPath: filepath.Join(dir, "device")}))
	// As kubelet does, which holds raw block volumes by a loop device of its own.
	held, err := os.OpenFile(filepath.Join(dir, "device"), os.O_RDWR, 0)
	must(t, err)
	holder, err := configureFree(held, untilDetached)
	must(t, err)
	must(t, errors.Join(holder.Close(), held.Close()))
	if before := volumetest.Leftovers(t, dir); len(before) < 7 {
		t.Fatalf("nothing to clean: %v", before)
	}

	cleanUnused(t, p, dir)
	if left := volumetest.Leftovers(t, dir); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	must(t, Cleanup(filepath.Join(dir, "never made"), dir))
}

// cleanUnused holds a file of the pod's open at first, and cleans up twice when it is
// closed.
func cleanUnused(t *testing.T, p *Pool, dir string) {
	t.Helper()
	open, err := os.Create(filepath.Join(dir, "pod", "open"))
	must(t, err)
	if err := Cleanup(p.dir, dir); !errors.Is(err, ErrInUse) {
		t.Errorf("cleaning a volume with an open file: %v", err)
	}
	must(t, open.Close())
	for range 2 {
		must(t, Cleanup(p.dir, dir))
	}
}
