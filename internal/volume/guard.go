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

// guardPatience is how long a guard may take to notice that its engine has ended,
// and to thaw.
const guardPatience = 10 * time.Second

// thawIoctl is FITHAW (linux/fs.h).
const thawIoctl = 0xC0045878

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

// thaw lets writes go on. The error says that they went on before: then nothing
// that was read meanwhile is of one moment.
func (f *freezing) thaw() (frozen time.Duration, err error) {
	_, _ = io.WriteString(f.order, "t") // an ended guard shows below
	line, _ := f.says.ReadString('\n')
	frozen = time.Since(f.since)
	_ = errors.Join(f.order.Close(), f.guard.Wait())
	if line == "thawed\n" {
		return frozen, nil
	}
	thaw(f.mounts)
	return frozen, fmt.Errorf("%w: the volumes were frozen for %v and then went on, before the copy was complete; "+
		"take the snapshot while the disk has less to do, or while no pod uses them", ErrInUse, frozen.Round(time.Millisecond))
}

// thaw ends the freezing of whatever is frozen at these paths.
func thaw(mounts []string) {
	for _, m := range mounts {
		dir, err := os.Open(m)
		if err != nil {
			continue // it has gone
		}
		_ = unix.IoctlSetInt(int(dir.Fd()), thawIoctl, 0) // an error says that it was not frozen
		dir.Close()
	}
}

// thawAbandoned thaws what an engine left frozen that was killed together with
// its guard. A volume that somebody works on is left to them: it may be frozen for
// a snapshot right now.
func (p *Pool) thawAbandoned() error {
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() || !validID(e.Name()) {
			continue
		}
		unlock, err := tryLock(p.dir, volumeLock(e.Name()))
		if errors.Is(err, ErrBusy) {
			continue
		}
		if err != nil {
			return err
		}
		err = p.thawVolume(e.Name())
		unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *Pool) thawVolume(id string) error {
	awaitGuard(p.volumeDir(id), guardPatience)
	loops, err := findLoops(p.image(id))
	if err != nil {
		return err
	}
	for _, l := range loops {
		if mounts, err := fileSystemMounts(l.device); err == nil {
			thaw(mounts)
		}
	}
	return nil
}

// awaitGuard waits for the guard of a process that was killed: until it has thawed
// the volume in dir, and holds neither its mount nor its device. One that hangs is
// not waited for longer than patience.
func awaitGuard(dir string, patience time.Duration) {
	f, err := os.Open(dir)
	if err != nil {
		return // it has gone
	}
	defer f.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = awaitLock(ctx, f) // thawing anyway comes next
}

// awaitLock waits for the exclusive lock of an open file (flock(2)), which all its
// duplicates in other processes hold with it.
func awaitLock(ctx context.Context, f *os.File) error {
	const pause = 10 * time.Millisecond
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is being thawed by another process: %w", f.Name(), ctx.Err())
		case <-time.After(pause):
		}
	}
}

func syncFileSystem(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return unix.Syncfs(int(dir.Fd()))
}
