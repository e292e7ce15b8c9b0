package volume

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// guardScript freezes file systems and thaws them again: when it is told to,
// when its time is over, and when whoever started it has ended, however that
// happened. It says "frozen" when all are, and "thawed" only if they were frozen
// until it was told.
//
// A frozen file system outlives the process that froze it, and every write to it
// waits in the kernel where nothing can kill it. So the engine freezes nothing
// itself; a process that outlives it does.
const guardScript = `
trap '' PIPE HUP INT TERM
thaw() { for m; do fsfreeze --unfreeze "$m" 2>/dev/null; done; }
limit=$1; shift
for m; do fsfreeze --freeze "$m" || { thaw "$@"; exit 1; }; done
echo frozen
order=$(timeout "$limit" head -c 1)
thaw "$@"
[ "$order" != t ] || echo thawed
`

// freezing is a set of file systems that are held frozen.
type freezing struct {
	mounts []string
	guard  *exec.Cmd
	order  io.WriteCloser
	says   *bufio.Reader
	since  time.Time
}

// freeze stops all writes to the file systems mounted at these paths, once
// everything written before is on disk. The caller thaws, soon; after limit it
// happens without it.
//
// The locks are held by the guard until it ends: open directories of the volumes,
// so that nobody freezes a volume that another guard is about to thaw.
func (p *Pool) freeze(ctx context.Context, mounts []string, locks []*os.File, limit time.Duration) (*freezing, error) {
	for _, lock := range locks {
		if err := awaitLock(ctx, lock); err != nil {
			return nil, err
		}
	}
	if _, err := exec.LookPath("fsfreeze"); err != nil {
		return nil, fmt.Errorf("%w: fsfreeze is not installed, and no volume in use can be copied without it; install util-linux", ErrUnsupported)
	}
	for _, m := range mounts {
		if err := syncFileSystem(m); err != nil {
			return nil, err // what is on disk already need not be awaited while frozen
		}
	}
	seconds := strconv.Itoa(int(limit.Seconds()))
	guard := exec.Command("sh", append([]string{"-c", guardScript, "guard", seconds}, mounts...)...)
	// What is sent to the engine's process group is not meant for its guard.
	guard.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	guard.ExtraFiles = locks
	var complaints bytes.Buffer
	guard.Stderr = &complaints
	order, err := guard.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := guard.StdoutPipe()
	if err != nil {
		return nil, err
	}
	f := &freezing{mounts: mounts, guard: guard, order: order, says: bufio.NewReader(stdout), since: time.Now()}
	if err := guard.Start(); err != nil {
		return nil, fmt.Errorf("start the guard that freezes volumes: %w", err)
	}
	p.reached("guard started")
	if line, _ := f.says.ReadString('\n'); line != "frozen\n" {
		ended := errors.Join(order.Close(), guard.Wait())
		thaw(mounts)
		return nil, fmt.Errorf("freeze %s: %w: %s", strings.Join(mounts, ", "), ended, strings.TrimSpace(complaints.String()))
	}
	return f, nil
}

func syncFileSystem(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return unix.Syncfs(int(dir.Fd()))
}
