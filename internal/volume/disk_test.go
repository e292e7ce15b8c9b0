package volume

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mainstay-io/mainstay/internal/volume/volumetest"
)

// disk is a loop device with a file for its medium, which can be pulled.
type disk struct {
	dir    string // the test's
	medium string
	device string
	path   string // where its file system is mounted, if it has one
}

// newDevice gives a disk with nothing on it.
func newDevice(t *testing.T, bytes int64) disk {
	t.Helper()
	volumetest.RequireRoot(t)
	dir := volumetest.Dir(t)
	d := disk{dir: dir, medium: filepath.Join(dir, "medium"), path: filepath.Join(dir, "disk")}
	must(t, os.WriteFile(d.medium, nil, 0o600))
	must(t, os.Truncate(d.medium, bytes))
	d.device = strings.TrimSpace(run(t, "losetup", "--find", "--show", d.medium))
	t.Cleanup(func() { run(t, "losetup", "--detach", d.device) })
	return d
}

// newDisk gives a disk with a file system that is mounted.
func newDisk(t *testing.T, fs string, bytes int64) disk {
	t.Helper()
	d := newDevice(t, bytes)
	run(t, "mkfs."+fs, "-q", d.device)
	must(t, os.Mkdir(d.path, 0o700))
	d.mount(t)
	t.Cleanup(func() { _ = unix.Unmount(d.path, 0) }) // a test may have pulled it
	return d
}

func (d disk) mount(t *testing.T) {
	t.Helper()
	run(t, "mount", d.device, d.path)
}

// content is what is on the medium, to the last byte.
func (d disk) content(t *testing.T) []byte {
	t.Helper()
	f, err := os.OpenFile(d.device, os.O_RDWR, 0)
	must(t, err)
	must(t, f.Sync())
	must(t, f.Close())
	content, err := os.ReadFile(d.medium)
	must(t, err)
	return content
}

func run(t *testing.T, command ...string) string {
	t.Helper()
	var complaints bytes.Buffer
	c := exec.Command(command[0], command[1:]...)
	c.Stderr = &complaints
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %v: %s%s", command, err, out, complaints.String())
	}
	return string(out)
}
