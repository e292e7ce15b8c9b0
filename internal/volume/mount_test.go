package volume

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A volume is mounted for several pods at once; each has the rights that it asked
// for, and the volume goes with the last.
func TestMountForSeveralPods(t *testing.T) {
	p, dir := testPool(t)
	ctx := context.Background()
	r := mustCreate(t, p, Spec{Name: "v", RequiredBytes: 16 * mib, FileSystem: Ext4})
	early, writer, reader := filepath.Join(dir, "early"), filepath.Join(dir, "writer"), filepath.Join(dir, "reader")
	must(t, p.Mount(ctx, r.ID, early, true)) // before anybody writes
	must(t, p.Mount(ctx, r.ID, writer, false))
	must(t, p.Mount(ctx, r.ID, writer, false)) // once more is harmless
	must(t, os.WriteFile(filepath.Join(writer, "row"), []byte("acknowledged"), 0o600))
	must(t, p.Mount(ctx, r.ID, reader, true))
	for _, path := range []string{early, reader} {
		if row, err := os.ReadFile(filepath.Join(path, "row")); err != nil || string(row) != "acknowledged" {
			t.Errorf("at %s the row is %q (%v)", path, row, err)
		}
		if err := os.WriteFile(filepath.Join(path, "x"), nil, 0o600); !errors.Is(err, unix.EROFS) {
			t.Errorf("writing at %s, which is for reading only: %v", path, err)
		}
	}
	for _, path := range []string{early, writer, reader} {
		if id, err := p.MountedAt(path); err != nil || id != r.ID {
			t.Errorf("at %s is %q (%v)", path, id, err)
		}
		must(t, p.Unpublish(path))
		must(t, p.Unpublish(path))
	}
	must(t, p.Delete(r.ID))
}

// A volume that was enlarged while a pod used it is not checked by e2fsck, which
// would end its file system, but grows at the first mount after that.
func TestMountBesideAnother(t *testing.T) {
	p, dir := testPool(t)
	ctx := context.Background()
	r := mustCreate(t, p, Spec{Name: "v", RequiredBytes: 16 * mib, FileSystem: Ext4})
	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
	must(t, p.Mount(ctx, r.ID, first, false))
	_, err := p.Expand(r.ID, 64*mib, 0)
	must(t, err)
	must(t, p.Mount(ctx, r.ID, second, false))
	must(t, p.Unpublish(first))
	must(t, p.Unpublish(second))
	must(t, p.Mount(ctx, r.ID, first, false))
	if u, err := p.Usage(r.ID, first); err != nil || u.TotalBytes < 48*mib {
		t.Errorf("after growth to 64 MiB: %+v (%v)", u, err)
	}
}

func TestMountRefusals(t *testing.T) {
	p, dir := testPool(t)
	ctx := context.Background()
	block := mustCreate(t, p, Spec{Name: "block", RequiredBytes: 8 * mib, FileSystem: RawBlock})
	mine := mustCreate(t, p, Spec{Name: "mine", RequiredBytes: 8 * mib, FileSystem: Ext4})
	other := mustCreate(t, p, Spec{Name: "other", RequiredBytes: 8 * mib, FileSystem: Ext4})
	must(t, p.Mount(ctx, other.ID, filepath.Join(dir, "taken"), false))
	must(t, os.Truncate(p.image(mine.ID), 4096))
	for _, c := range []struct {
		why, id, path string
		want          error
	}{
		{"no such volume", "none", "free", ErrNotFound},
		{"a name that leads out of the pool", "../pool/mine", "free", ErrNotFound},
		{"a raw block volume", block.ID, "free", ErrConflict},
		{"another volume is there", mine.ID, "taken", ErrInUse},
		{"its image was cut short", mine.ID, "free", ErrDamaged},
	} {
		if err := p.Mount(ctx, c.id, filepath.Join(dir, c.path), false); !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", c.why, err, c.want)
		}
	}
}

func TestMountedAt(t *testing.T) {
	p, dir := testPool(t)
	foreign := filepath.Join(dir, "foreign")
	must(t, os.Mkdir(foreign, 0o700))
	must(t, unix.Mount("tmpfs", foreign, "tmpfs", 0, "size=1m"))
	t.Cleanup(func() { must(t, unix.Unmount(foreign, 0)) })
	if _, err := p.MountedAt(foreign); !errors.Is(err, ErrConflict) {
		t.Errorf("a file system that is not the pool's: %v", err)
	}
	for _, path := range []string{dir, filepath.Join(dir, "missing")} {
		if id, err := p.MountedAt(path); err != nil || id != "" {
			t.Errorf("nothing is mounted at %s: %q (%v)", path, id, err)
		}
	}
}
