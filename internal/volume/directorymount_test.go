package volume

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/mainstay-io/mainstay/internal/volume/volumetest"
)

func TestDirectoryMountAttributes(t *testing.T) {
	for _, c := range []struct {
		options []string
		want    uint64
		err     error
	}{
		{nil, unix.MOUNT_ATTR_NOATIME, nil},
		{[]string{"nosuid", "nodev", "rw"}, unix.MOUNT_ATTR_NOATIME | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV, nil},
		{[]string{"ro"}, unix.MOUNT_ATTR_NOATIME | unix.MOUNT_ATTR_RDONLY, nil},
		{[]string{"noexec", "discard"}, 0, ErrUnsupported},
	} {
		if got, err := DirectoryMountAttributes(c.options); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%v: %#x (%v), want %#x", c.options, got, err, c.want)
		}
	}
}

// The rules by which a mount is one of a directory volume.
func TestVolumeOf(t *testing.T) {
	pool, whole := location{8, 1, "/var/pool"}, location{8, 1, "/"}
	for _, c := range []struct {
		why          string
		at           location
		major, minor int
		root, want   string
	}{
		{"a volume", pool, 8, 1, "/var/pool/v/files", "v"},
		{"of a pool that is a whole file system", whole, 8, 1, "/v/files", "v"},
		{"of another file system", pool, 8, 2, "/var/pool/v/files", ""},
		{"of another pool", pool, 8, 1, "/var/pool-2/v/files", ""},
		{"the pool", pool, 8, 1, "/var/pool", ""},
		{"the volume's own directory", pool, 8, 1, "/var/pool/v", ""},
		{"a part of the volume, as a subPath", pool, 8, 1, "/var/pool/v/files/data/files", "v"},
		{"one that was deleted", pool, 8, 1, "/var/pool/.deleting-v/files", ""},
		{"another directory of the volume", pool, 8, 1, "/var/pool/v/files-2", ""},
		{"deeper", pool, 8, 1, "/var/pool/other/v/files", ""},
	} {
		if got := c.at.volumeOf(&mountinfo.Info{Major: c.major, Minor: c.minor, Root: c.root}); got != c.want {
			t.Errorf("%s: %q, want %q", c.why, got, c.want)
		}
	}
}

// The place of a directory is that of the file system on top, seen from its root.
func TestLocate(t *testing.T) {
	volumetest.RequireRoot(t)
	dir := volumetest.Dir(t)
	must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"))
	t.Cleanup(func() { must(t, unix.Unmount(dir, 0)) })
	inner := filepath.Join(dir, "a", "b")
	must(t, unix.Mkdir(filepath.Join(dir, "a"), 0o700))
	must(t, unix.Mkdir(inner, 0o700))
	got, err := locate(inner)
	must(t, err)
	var s unix.Stat_t
	must(t, unix.Stat(inner, &s))
	if want := (location{int(unix.Major(s.Dev)), int(unix.Minor(s.Dev)), "/a/b"}); got != want {
		t.Errorf("%s is at %+v, want %+v", inner, got, want)
	}
	must(t, bind(inner, filepath.Join(dir, "a"), 0))
	defer unix.Unmount(filepath.Join(dir, "a"), 0) //nolint:errcheck // the test's end says what is left
	if got, err := locate(filepath.Join(dir, "a")); err != nil || got.root != "/a/b" {
		t.Errorf("bound elsewhere: %+v (%v)", got, err)
	}
}
