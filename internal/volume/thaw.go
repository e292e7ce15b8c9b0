package volume

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// guardPatience is how long a guard may take to notice that its engine has ended,
// and to thaw.
const guardPatience = 10 * time.Second

// thawIoctl is FITHAW (linux/fs.h).
const thawIoctl = 0xC0045878

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
