package halt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// pause is the time between two looks whether processes have ended.
const pause = 2 * time.Millisecond

// Stop freezes the pods that are not spared, all before any is killed, and returns when
// no process of theirs is left. They stay frozen, so that whatever a runtime starts in
// them stands still until Allow. It tries all of them, whatever fails, and gives up
// when ctx ends: then some are frozen, but their processes are still there.
func (p Pods) Stop(ctx context.Context, spare func(uid string) bool) error {
	groups, err := p.List()
	if err != nil {
		return err
	}
	var failed []error
	for uid, path := range groups {
		if spare(uid) {
			delete(groups, uid)
		} else if err := p.freeze(path); err != nil {
			failed = append(failed, fmt.Errorf("freeze pod %s: %w", uid, err))
		}
	}
	for uid, path := range groups {
		if err := p.empty(ctx, path); err != nil {
			failed = append(failed, fmt.Errorf("kill pod %s: %w", uid, err))
		}
	}
	_ = os.Remove(p.ending()) // whatever dies there still keeps it
	return errors.Join(failed...)
}

// Allow lets the pod of that UID run again; one that has no cgroup is allowed anyway.
func (p Pods) Allow(uid string) error {
	groups, err := p.List()
	if err != nil || groups[uid] == "" {
		return err
	}
	return gone(p.thaw(groups[uid]))
}

// AllowAll lets all pods run again.
func (p Pods) AllowAll() error {
	groups, err := p.List()
	if err != nil {
		return err
	}
	var failed []error
	for _, path := range groups {
		failed = append(failed, gone(p.thaw(path)))
	}
	return errors.Join(failed...)
}

// empty kills what a frozen cgroup holds until it holds nothing, and leaves it frozen.
func (p Pods) empty(ctx context.Context, path string) error {
	for {
		left, err := p.kill(path)
		if err != nil || !left {
			return gone(err)
		}
		select {
		case <-ctx.Done(): // it waits in the kernel, perhaps for a disk that is gone
			return fmt.Errorf("its processes do not end: %w", context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}
