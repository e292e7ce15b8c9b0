package csi

import (
	"context"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// volumeLocks holds one lock for each volume, snapshot or group that a call is
// about or waits for. A call that holds a snapshot, a group or a volume that is
// being made may wait for volumes that there are; never the other way round.
type volumeLocks struct {
	mu    sync.Mutex
	locks map[string]*volumeLock
}

type volumeLock struct {
	held  chan struct{} // holds one element while locked
	users int           // holder and waiters, guarded by volumeLocks.mu
}

func newVolumeLocks() *volumeLocks {
	return &volumeLocks{locks: map[string]*volumeLock{}}
}

// lock waits for the volume's lock; the caller calls unlock. When ctx ends first
// the code is Aborted, by which CSI tells the caller to come again.
func (l *volumeLocks) lock(ctx context.Context, id string) (unlock func(), err error) {
	l.mu.Lock()
	lock := l.locks[id]
	if lock == nil {
		lock = &volumeLock{held: make(chan struct{}, 1)}
		l.locks[id] = lock
	}
	lock.users++
	l.mu.Unlock()

	select {
	case lock.held <- struct{}{}:
		return func() { <-lock.held; l.leave(id, lock) }, nil
	case <-ctx.Done():
		l.leave(id, lock)
		return nil, status.Errorf(codes.Aborted, "another operation on %s is still under way", id)
	}
}

func (l *volumeLocks) leave(id string, lock *volumeLock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if lock.users--; lock.users == 0 {
		delete(l.locks, id)
	}
}
