package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// group is a set of parts that run and end together. The first that ends
// although nobody asked it to ends all the engine.
type group struct {
	context.Context
	cancel context.CancelFunc
	*errgroup.Group
}

func newGroup(ctx context.Context) group {
	ctx, cancel := context.WithCancel(ctx)
	parts, ctx := errgroup.WithContext(ctx)
	return group{Context: ctx, cancel: cancel, Group: parts}
}

// run adds a part to the group.
func (g group) run(name string, part func(context.Context) error) {
	g.Go(func() error {
		err := part(g.Context)
		if g.Err() != nil {
			return nil
		}
		if err == nil {
			err = errors.New("it ended although nobody asked it to")
		}
		return fmt.Errorf("%s: %w", name, err)
	})
}

// stop ends the parts and waits for them, but no longer than limit: a part that
// hangs must not keep the engine from stopping. It tells whether all have ended.
func (g group) stop(limit time.Duration) bool {
	g.cancel()
	done := make(chan struct{})
	go func() { _ = g.Wait(); close(done) }()
	select {
	case <-done:
		return true
	case <-time.After(limit):
		return false
	}
}
