package volume

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// lockFile stays empty: what counts is which ranges of it somebody has locked.
// The kernel drops the locks of a process that ends, however it ends.
const lockFile = ".lock"

// lockPause is the time between two attempts to get a lock. Operations take
// longer, and it is rare that two want the same volume.
const lockPause = 5 * time.Millisecond

// lockRange is a part of the lock file; length 0 reaches to its end.
type lockRange struct{ start, length int64 }

var (
	// spaceLock is held from looking at the pool's free space until it is taken.
	spaceLock = lockRange{start: 0, length: 1}
	// wholeLock excludes everything that is done to the pool and its volumes.
	wholeLock = lockRange{start: 0, length: 0}
)

// volumeLock stands for one volume. Two IDs with one hash would merely wait for
// each other.
func volumeLock(id string) lockRange {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // never fails
	return lockRange{start: 1 + int64(h.Sum64()>>2), length: 1}
}

// Lock waits until nobody works on the volume, neither in this process nor in
// another one that uses the pool. The caller calls unlock. The error wraps
// ErrBusy when ctx ends first.
func (p *Pool) Lock(ctx context.Context, id string) (unlock func(), err error) {
	if p.usable() != nil {
		return func() {}, nil // see tryLock
	}
	unlock, err = lock(ctx, p.dir, volumeLock(id))
	if errors.Is(err, ErrBusy) {
		err = fmt.Errorf("%w: volume %s", ErrBusy, id)
	}
	return unlock, err
}

func lock(ctx context.Context, dir string, r lockRange) (unlock func(), err error) {
	for {
		unlock, err := tryLock(dir, r)
		if !errors.Is(err, ErrBusy) {
			return unlock, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(lockPause):
		}
	}
}

// tryLock gives the lock, or ErrBusy. The lock belongs to the open file, not to
// the process (F_OFD_SETLK, fcntl(2)): so it keeps goroutines apart as well.
func tryLock(dir string, r lockRange) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EROFS) || errors.Is(err, unix.EIO) {
		// In a pool that is gone or cannot be written nothing can be changed.
		// What is left to do is to unmount, and that must go on.
		return func() {}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("lock the volume pool: %w", err)
	}
	err = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Start: r.start, Len: r.length})
	if err == nil {
		return func() { f.Close() }, nil
	}
	f.Close()
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return nil, ErrBusy
	}
	return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
}
