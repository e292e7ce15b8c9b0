package csi

import (
	"context"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Never do two calls for one volume run at once.
func TestLockIsExclusive(t *testing.T) {
	locks := newVolumeLocks()
	var inside int // the race detector and the check below watch it
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			unlock, err := locks.lock(context.Background(), "v")
			if err != nil {
				t.Error(err)
				return
			}
			defer unlock()
			if inside++; inside != 1 {
				t.Errorf("%d calls at once", inside)
			}
			time.Sleep(time.Millisecond)
			inside--
		})
	}
	wg.Wait()
	if len(locks.locks) != 0 {
		t.Errorf("%d locks are left", len(locks.locks))
	}
}

func TestLockGivesUpWithItsCaller(t *testing.T) {
	locks := newVolumeLocks()
	unlock, err := locks.lock(context.Background(), "v")
	if err != nil {
		t.Fatal(err)
	}
	other, err := locks.lock(context.Background(), "w")
	if err != nil {
		t.Fatal("the lock of one volume holds another", err)
	}
	other()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := locks.lock(ctx, "v"); status.Code(err) != codes.Aborted {
		t.Errorf("waiting for a lock without time: %v", err)
	}
	unlock()
	if len(locks.locks) != 0 {
		t.Errorf("%d locks are left", len(locks.locks))
	}
}
