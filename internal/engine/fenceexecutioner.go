package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/mainstay-io/mainstay/internal/fence/halt"
)

// FenceExecutioner stops the pets of a node whose deadline is past. FenceKeeper starts
// it, and it outlives that one's pod: the program is a file of the node, and the process
// has the node's namespaces and a cgroup of its own.
type FenceExecutioner struct {
	StateDir, KubeletCgroup, KubeletDir string
	// LogFile; empty: the terminal.
	LogFile string
	// HostNamespaces is the directory of the namespaces of a process of the node; empty:
	// this process has them.
	HostNamespaces string
	// Watchdog is a device of the node; empty: none.
	Watchdog string
}

func (e FenceExecutioner) arguments() []string {
	return []string{
		"mainstay", "fence", ExecutionerCommand, "--state-dir=" + e.StateDir, "--kubelet-cgroup=" + e.KubeletCgroup,
		"--kubelet-dir=" + e.KubeletDir, "--log-file=" + e.LogFile, "--host-namespaces=" + e.HostNamespaces,
		"--watchdog=" + e.Watchdog,
	}
}

// Run works until ctx ends.
func (e FenceExecutioner) Run(ctx context.Context) error {
	if e.HostNamespaces != "" && !sameFile("/proc/self/ns/mnt", filepath.Join(e.HostNamespaces, "mnt")) {
		return e.enterHost()
	}
	if err := leaveContainer("mainstay-fence"); err != nil {
		return err
	}
	pods := halt.Of("/sys/fs/cgroup", e.KubeletCgroup)
	return runExecutioner(ctx, fenceDir(e.StateDir), e.Watchdog, pods, func(uid string) bool {
		// kubelet makes the cgroup first, so that it was frozen for a moment.
		return e.isKeeper(uid) && pods.Allow(uid) == nil
	})
}

// keeperVolume is one that keepers' pods have, and pets must not (see policies). By its
// directory the executioner knows the pod of a keeper that has come while none told who is a pet: if it
// stopped that too, there would never be a keeper again.
const keeperVolume = "mainstay-fence-keeper"

func (e FenceExecutioner) isKeeper(uid string) bool {
	_, err := os.Stat(filepath.Join(e.KubeletDir, "pods", uid, "volumes", "kubernetes.io~empty-dir", keeperVolume))
	return err == nil
}

// enterHost makes this process one of the node's, by the same program, which begins anew.
// A thread alone cannot have other mounts than its process, unless it gives up to share
// its directory with it; and what it starts has them, too.
func (e FenceExecutioner) enterHost() error {
	runtime.LockOSThread()
	namespaces := map[string]*os.File{}
	for _, name := range []string{"cgroup", "mnt"} {
		file, err := os.Open(filepath.Join(e.HostNamespaces, name))
		if err != nil {
			return fmt.Errorf("enter the node: %w", err)
		}
		defer file.Close()
		namespaces[name] = file
	}
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("enter the node: %w", err)
	}
	for name, file := range namespaces {
		if err := unix.Setns(int(file.Fd()), 0); err != nil {
			return fmt.Errorf("enter the node's namespace %s: %w", name, err)
		}
	}
	program := filepath.Join(e.StateDir, programName)
	return fmt.Errorf("start %s on the node: %w", program, unix.Exec(program, e.arguments(), os.Environ()))
}

// programName is the copy of this program in the state directory.
const programName = "mainstay"

func (k FenceKeeper) program() string { return filepath.Join(k.StateDir, programName) }

func (k FenceKeeper) executioner() daemon {
	e := FenceExecutioner{
		StateDir: k.StateDir, KubeletCgroup: k.KubeletCgroup, KubeletDir: k.KubeletDir, HostNamespaces: k.HostNamespaces,
		Watchdog: k.Watchdog, LogFile: filepath.Join(k.StateDir, "executioner.log"),
	}
	return daemon{
		name: "the executioner", program: k.program(), arguments: e.arguments(), mark: ExecutionerCommand + "\x00--state-dir=" + k.StateDir + "\x00",
		pidFile: filepath.Join(k.StateDir, "executioner.pid"), logFile: filepath.Join(k.StateDir, "executioner.stderr"),
	}
}

// installProgram copies a program, unless it is there. A process that runs what was there
// before goes on.
func installProgram(from, to string) error {
	wanted, err := digest(from)
	if err != nil {
		return err
	}
	if there, err := digest(to); err == nil && bytes.Equal(there, wanted) {
		return nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	copied, err := os.CreateTemp(filepath.Dir(to), filepath.Base(to)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(copied.Name()) // once it is renamed there is none
	defer copied.Close()
	if _, err = io.Copy(copied, source); err == nil {
		err = copied.Chmod(0o700)
	}
	if err == nil {
		err = copied.Sync()
	}
	if err := errors.Join(err, copied.Close()); err != nil {
		return err
	}
	return os.Rename(copied.Name(), to)
}

func digest(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, file)
	return sum.Sum(nil), err
}
