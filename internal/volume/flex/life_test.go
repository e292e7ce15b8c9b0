package flex

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mainstay-io/mainstay/internal/volume/qos"
	"github.com/mainstay-io/mainstay/internal/volume/volumetest"
)

const mib = int64(1) << 20

func mountTmpfs(t *testing.T, path string) {
	t.Helper()
	must(t, unix.Mount("tmpfs", path, "tmpfs", 0, "size=1m"))
	t.Cleanup(func() { must(t, unix.Unmount(path, 0)) })
}

// The first mount makes the volume, the last unmount leaves its data, and nobody
// gets more than was asked for.
func TestDataOutlivesPods(t *testing.T) {
	n := newNode(t)
	pod := n.path("pod")
	n.mustCall(t, "mount", pod, options("volume", "orders", "size", "16Mi"))
	n.mustCall(t, "mount", pod, options("volume", "orders", "size", "16Mi")) // kubelet may ask again
	if entries, err := os.ReadDir(pod); err != nil || len(entries) != 0 {
		t.Errorf("a new volume is not empty: %v (%v)", entries, err)
	}
	must(t, os.WriteFile(filepath.Join(pod, "row"), []byte("acknowledged"), 0o600))
	if err := os.WriteFile(filepath.Join(pod, "flood"), make([]byte, 20*mib), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("20 MiB into a volume of 16 MiB: %v", err)
	}
	n.mustCall(t, "unmount", pod)
	n.mustCall(t, "unmount", pod) // kubelet may ask again
	if left := volumetest.Leftovers(t, n.dir); len(left) != 0 {
		t.Errorf("left after unmount: %v", left)
	}
	if _, err := os.Stat(pod); !os.IsNotExist(err) {
		t.Errorf("the mount point is left (%v)", err)
	}

	n.mustCall(t, "mount", pod, options("volume", "orders")) // it exists: no size is needed
	if row, err := os.ReadFile(filepath.Join(pod, "row")); err != nil || string(row) != "acknowledged" {
		t.Errorf("the row is %q (%v)", row, err)
	}
	// The same name in another namespace is another volume.
	other := n.path("other")
	n.mustCall(t, "mount", other, options("volume", "orders", "size", "8Mi", podNamespaceKey, "shop"))
	if entries, err := os.ReadDir(other); err != nil || len(entries) != 0 {
		t.Errorf("namespace shop sees %v (%v)", entries, err)
	}
	if status := n.call(t, "mount", n.path("xfs"), options("volume", "orders", fsTypeKey, "xfs")); !strings.Contains(status.Message, "default/orders is ext4") {
		t.Errorf("as another file system: %+v", status)
	}
}

func TestReadOnly(t *testing.T) {
	n := newNode(t)
	writer, reader := n.path("writer"), n.path("reader")
	n.mustCall(t, "mount", writer, options("size", "8Mi"))
	n.mustCall(t, "mount", reader, options(readWriteKey, "ro", "size", "8Mi"))
	must(t, os.WriteFile(filepath.Join(writer, "row"), nil, 0o600))
	if _, err := os.Stat(filepath.Join(reader, "row")); err != nil {
		t.Errorf("the reader does not see it: %v", err)
	}
	if err := os.WriteFile(filepath.Join(reader, "x"), nil, 0o600); !errors.Is(err, unix.EROFS) {
		t.Errorf("writing where the volume is for reading only: %v", err)
	}
}

// A volume grows by a larger size option, or by kubelet's call.
func TestGrowth(t *testing.T) {
	n := newNode(t)
	pod := n.path("pod")
	has := func() int64 {
		var s unix.Statfs_t
		must(t, unix.Statfs(pod, &s))
		return int64(s.Blocks) * s.Bsize / mib
	}
	n.mustCall(t, "mount", pod, options("size", "16Mi"))
	n.mustCall(t, "unmount", pod)
	n.mustCall(t, "mount", pod, options("size", "64Mi"))
	if has() < 48 {
		t.Errorf("with a size of 64 MiB it has %d MiB", has())
	}
	n.mustCall(t, "unmount", pod)
	n.mustCall(t, "mount", pod, options("size", "16Mi")) // it never shrinks
	if has() < 48 {
		t.Errorf("with a size of 16 MiB again it has %d MiB", has())
	}

	status := n.call(t, "expandfs", options(), "", pod, fmt.Sprint(128*mib), fmt.Sprint(64*mib))
	if status.Status != "Success" {
		if !strings.Contains(status.Message, "CAP_SYS_RESOURCE") {
			t.Fatalf("%+v", status)
		}
		n.mustCall(t, "unmount", pod) // then the next mount does it
		n.mustCall(t, "mount", pod, options("size", "16Mi"))
		n.mustCall(t, "expandfs", options(), "", pod, fmt.Sprint(128*mib), fmt.Sprint(64*mib))
	}
	if has() < 108 {
		t.Errorf("expanded to 128 MiB it has %d MiB", has())
	}
	status = n.call(t, "expandfs", options(), "", pod, fmt.Sprint(15<<40), fmt.Sprint(128*mib))
	if status.Status != "Failure" || !strings.Contains(status.Message, "not enough space") {
		t.Errorf("to more than the pool has: %+v", status)
	}
}

// A volume's quality of service is what the last pod that writes says of it. (The
// maximum is beyond this machine: should the kernel keep it for the device, nobody
// suffers.)
func TestQuality(t *testing.T) {
	n := newNode(t)
	requireQuality := func(want qos.Parameters) {
		t.Helper()
		if r, err := n.pool.Get("flex.default.data"); err != nil || r.Quality != want {
			t.Errorf("the volume has %+v (%v), want %+v", r.Quality, err, want)
		}
	}
	const maximum = 1 << 40
	n.mustCall(t, "mount", n.path("first"), options("size", "8Mi", "maxThroughput", "1Ti"))
	requireQuality(qos.Parameters{MaxThroughput: maximum})
	n.mustCall(t, "mount", n.path("second"), options("maxIops", "1Gi"))
	requireQuality(qos.Parameters{MaxThroughput: maximum, MaxIOPS: 1 << 30})
	n.mustCall(t, "mount", n.path("reader"), options("maxIops", "0", readWriteKey, "ro"))
	requireQuality(qos.Parameters{MaxThroughput: maximum, MaxIOPS: 1 << 30})
	n.mustCall(t, "mount", n.path("third"), options("maxIops", "0", "maxThroughput", "0"))
	requireQuality(qos.Parameters{})
	status := n.call(t, "mount", n.path("fourth"), options("minIops", "100"))
	if !strings.Contains(status.Message, "mainstay pool probe") {
		t.Errorf("a promise of a pool that was not measured: %+v", status)
	}
	requireQuality(qos.Parameters{})
}

// Many processes at once, as when a node starts: one volume is made, and every pod
// has it.
func TestManyAtOnce(t *testing.T) {
	n := newNode(t)
	const pods = 8
	var group sync.WaitGroup
	for i := range pods {
		group.Go(func() {
			output, err := n.command("mount", n.path(fmt.Sprint(i)), options("volume", "shared", "size", "8Mi")).CombinedOutput()
			if err != nil || !bytes.Contains(output, []byte("Success")) {
				t.Errorf("pod %d: %v: %s", i, err, output)
			}
		})
	}
	group.Wait()
	if volumes, err := n.pool.List(); err != nil || len(volumes) != 1 || volumes[0].Claim != "default/shared" {
		t.Errorf("the pool holds %+v (%v)", volumes, err)
	}
	must(t, os.WriteFile(filepath.Join(n.path("0"), "row"), nil, 0o600))
	for i := range pods {
		if _, err := os.Stat(filepath.Join(n.path(fmt.Sprint(i)), "row")); err != nil {
			t.Error(err)
		}
		n.mustCall(t, "unmount", n.path(fmt.Sprint(i)))
	}
}

// The driver is killed at any moment of a mount or an unmount; then the call is
// repeated, and all is well. (The crash test of package volume enumerates the
// steps; this one kills the real process.)
func TestKilled(t *testing.T) {
	n := newNode(t)
	pod := n.path("pod")
	began := time.Now()
	n.mustCall(t, "mount", pod, options("volume", "first", "size", "8Mi"))
	n.mustCall(t, "unmount", pod)
	whole := time.Since(began)

	const attempts = 40
	killed := 0
	for i := range attempts {
		after := whole * time.Duration(i) / attempts
		wanted := []string{"mount", pod, options("volume", fmt.Sprint("v", i), "size", "8Mi")}
		killed += n.kill(t, after, wanted...)
		n.mustCall(t, wanted...)
		must(t, os.WriteFile(filepath.Join(pod, "row"), nil, 0o600))
		killed += n.kill(t, after, "unmount", pod)
		n.mustCall(t, "unmount", pod)
		if left := volumetest.Leftovers(t, n.dir); len(left) != 0 {
			t.Fatalf("killed after %s: left: %v", after, left)
		}
	}
	t.Logf("%d of %d processes were killed in time", killed, 2*attempts)
	if killed < attempts/4 {
		t.Errorf("only %d processes were killed: the test shows little", killed)
	}
	if volumes, err := n.pool.List(); err != nil || len(volumes) != attempts+1 {
		t.Errorf("the pool holds %d volumes, not %d (%v)", len(volumes), attempts+1, err)
	}
}

// kill runs a callout and kills it after a while; 1 if that was in time. What the
// callout has started (mkfs, umount) goes on by itself, as it would.
func (n node) kill(t *testing.T, after time.Duration, arguments ...string) int {
	t.Helper()
	command := n.command(arguments...)
	must(t, command.Start())
	time.Sleep(after)
	_ = command.Process.Kill()
	if err := command.Wait(); err != nil {
		return 1
	}
	return 0
}
