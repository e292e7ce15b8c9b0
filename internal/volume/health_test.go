package volume

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// goingDown is XFS_IOC_GOINGDOWN (fs/xfs/libxfs/xfs_fs.h).
const goingDown = 0x8004587d

// Each case is a volume with which something is wrong, beside one that is well.
func TestHealth(t *testing.T) {
	for _, c := range []struct {
		why  string
		fs   FileSystem
		harm func(t *testing.T, p *Pool, id, path string)
		want error
		says string
	}{
		{"nothing", Ext4, func(*testing.T, *Pool, string, string) {}, nil, ""},
		{"its image was cut", Ext4, func(t *testing.T, p *Pool, id, _ string) { must(t, os.Truncate(p.image(id), mib)) }, ErrDamaged, "was cut to"},
		{"its image is gone", RawBlock, func(t *testing.T, p *Pool, id, _ string) { must(t, os.Remove(p.image(id))) }, ErrDamaged, "is gone"},
		{"all of it is gone", XFS, func(t *testing.T, p *Pool, id, _ string) { must(t, os.RemoveAll(p.volumeDir(id))) }, ErrNotFound, "holds no volume"},
		{"its ext4 has met an error", Ext4, func(t *testing.T, p *Pool, id, _ string) {
			loops, err := findLoops(p.image(id))
			must(t, err)
			must(t, os.WriteFile(filepath.Join("/sys/fs/ext4", filepath.Base(loops[0].device), "trigger_fs_error"), []byte("a test's"), 0))
		}, ErrDamaged, "e2fsck"},
		{"its xfs has shut down", XFS, func(t *testing.T, _ *Pool, _, path string) {
			root, err := os.Open(path)
			must(t, err)
			defer root.Close()
			must(t, unix.IoctlSetPointerInt(int(root.Fd()), goingDown, 1))
		}, ErrDamaged, "xfs_repair"},
	} {
		t.Run(c.why, func(t *testing.T) {
			p, dir := testPool(t)
			size := int64(8 * mib)
			if c.fs == XFS {
				size = 320 * mib
			}
			r := mustCreate(t, p, Spec{Name: "v", RequiredBytes: size, FileSystem: c.fs})
			mustCreate(t, p, Spec{Name: "well", RequiredBytes: 8 * mib, FileSystem: Ext4})
			path := filepath.Join(dir, "staged")
			must(t, p.Stage(t.Context(), r.ID, path, nil))
			t.Cleanup(func() { _ = p.Unstage(r.ID, path) })
			c.harm(t, p, r.ID, path)

			of := Alone(p).Health()
			if err := of(r.ID); !errors.Is(err, c.want) || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %v: … %s …", err, c.want, c.says)
			}
			if alone := p.HealthOf(r.ID); !errors.Is(alone, c.want) {
				t.Errorf("asked alone it is %v, want %v", alone, c.want)
			}
			if err := of(IDFor("well")); err != nil {
				t.Errorf("the other: %v", err)
			}
			if err := of("another/" + r.ID); !errors.Is(err, ErrNoPool) {
				t.Errorf("of a pool that is not declared: %v", err)
			}
		})
	}
}
