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
	"strings"

	"golang.org/x/sys/unix"

	"github.com/mainstay-io/mainstay/internal/fence/agent"
	"github.com/mainstay-io/mainstay/internal/fence/halt"
)

// FenceExecutioner stops the pets of a node whose deadline is past. FenceKeeper starts
// it, and it outlives that one's pod: the program is a file of the node, and the process
// has the node's namespaces and a cgroup of its own.
type FenceExecutioner struct {
	StateDir, KubeletCgroup string
	// LogFile; empty: the terminal.
	LogFile string
	// HostNamespaces is the directory of the namespaces of a process of the node; empty:
	// this process has them.
	HostNamespaces string
}

// known is what it is known by: one with other arguments is not the same.
func (e FenceExecutioner) known() []string {
	return []string{"--state-dir=" + e.StateDir, "--kubelet-cgroup=" + e.KubeletCgroup}
}

func (e FenceExecutioner) arguments() []string {
	arguments := append([]string{"mainstay", "fence", ExecutionerCommand}, e.known()...)
	return append(arguments, "--log-file="+e.LogFile, "--host-namespaces="+e.HostNamespaces)
}

// Run works until ctx ends.
func (e FenceExecutioner) Run(ctx context.Context) error {
	if e.HostNamespaces != "" {
		return e.enterHost()
	}
	if err := leaveContainer("mainstay-fence"); err != nil {
		return err
	}
	return runExecutioner(ctx, agent.Dir(e.StateDir), halt.Of("/sys/fs/cgroup", e.KubeletCgroup))
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
	e.HostNamespaces = ""
	return fmt.Errorf("start %s on the node: %w", program, unix.Exec(program, e.arguments(), os.Environ()))
}

// programName is the copy of this program in the state directory.
const programName = "mainstay"

func (k FenceKeeper) program() string { return filepath.Join(k.StateDir, programName) }

func (k FenceKeeper) executioner() daemon {
	e := FenceExecutioner{
		StateDir: k.StateDir, KubeletCgroup: k.KubeletCgroup, HostNamespaces: k.HostNamespaces,
		LogFile: filepath.Join(k.StateDir, "executioner.log"),
	}
	return daemon{
		name: "the executioner", program: k.program(), arguments: e.arguments(), mark: strings.Join(e.known(), "\x00"),
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
