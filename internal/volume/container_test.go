package volume

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mainstay-io/mainstay/internal/volume/volumetest"
)

// The child finds here where it is, and what volume to make.
const containerEnvironment = "MAINSTAY_TEST_CONTAINER"

// A driver that ran in a container, with the pool mounted there and kubelet's
// directory shared, is killed. The next one finds what it has left: volumes stay
// where they are, and can be taken down.
func TestContainerEnds(t *testing.T) {
	for _, fs := range []FileSystem{Ext4, XFS, RawBlock} {
		t.Run(string(fs), func(t *testing.T) {
			volumetest.RequireRoot(t)
			dir := volumetest.Dir(t)
			shareDir(t, filepath.Join(dir, "kubelet"))
			must(t, os.Mkdir(filepath.Join(dir, "pool"), 0o700))
			runInContainer(t, dir, fs)

			p, err := Open(filepath.Join(dir, "pool"))
			must(t, err)
			image := p.image(containerVolume)
			for _, path := range []string{image, p.dir + "/"} {
				loops, err := findLoops(path)
				if err != nil || len(loops) != 1 || loops[0].backing != image {
					t.Fatalf("%s is attached as %v (%v)", path, loops, err)
				}
			}
			pub := containerPublication(dir)
			must(t, p.Stage(context.Background(), pub.ID, pub.StagingPath, nil))
			must(t, p.Publish(pub))
			if loops, err := findLoops(image); err != nil || len(loops) != 1 {
				t.Errorf("what was attached is attached again: %v (%v)", loops, err)
			}
			must(t, p.Unpublish(pub.TargetPath))
			must(t, p.Unstage(pub.ID, pub.StagingPath))
			if loops, err := findLoops(image); err != nil || len(loops) != 0 {
				t.Errorf("still attached: %v (%v)", loops, err)
			}
			must(t, p.Delete(pub.ID))
			requireContent(t, p)
		})
	}
}

const containerVolume = "v"

func containerPublication(dir string) Publication {
	return Publication{ID: containerVolume, StagingPath: filepath.Join(dir, "kubelet", "staging"), TargetPath: filepath.Join(dir, "kubelet", "pod")}
}

// shareDir makes a directory whose mounts are those of all mount namespaces, as
// kubelet's is where systemd runs.
func shareDir(t *testing.T, dir string) {
	t.Helper()
	must(t, os.Mkdir(dir, 0o700))
	must(t, unix.Mount(dir, dir, "", unix.MS_BIND, ""))
	t.Cleanup(func() { must(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	must(t, unix.Mount("", dir, "", unix.MS_SHARED, ""))
}

// runInContainer publishes a volume from a mount namespace that then ends.
func runInContainer(t *testing.T, dir string, fs FileSystem) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestContainerChild$")
	child.Env = append(os.Environ(), fmt.Sprintf("%s=%s|%s", containerEnvironment, dir, fs))
	child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	out, err := child.CombinedOutput()
	if err == nil || !strings.Contains(child.ProcessState.String(), "killed") {
		t.Fatalf("the container ended with %v: %s", err, out)
	}
}

// TestContainerChild is the process in the container.
func TestContainerChild(t *testing.T) {
	dir, fs, inContainer := strings.Cut(os.Getenv(containerEnvironment), "|")
	if !inContainer {
		t.Skip("run by TestContainerEnds")
	}
	pool := filepath.Join(dir, "pool")
	must(t, unix.Mount(pool, pool, "", unix.MS_BIND, ""))
	must(t, unix.Mount("", pool, "", unix.MS_PRIVATE, ""))
	p, err := Open(pool)
	must(t, err)
	mustCreate(t, p, Spec{Name: containerVolume, RequiredBytes: 16 * mib, FileSystem: FileSystem(fs)})
	pub := containerPublication(dir)
	must(t, p.Stage(context.Background(), pub.ID, pub.StagingPath, nil))
	must(t, p.Publish(pub))
	_ = unix.Kill(os.Getpid(), unix.SIGKILL)
	select {} // until the signal arrives
}
