package agent

import (
	"context"
	"fmt"
	"time"

	"k8s.io/klog/v2"

	"github.com/mainstay-io/mainstay/internal/fence"
)

// again is how often the executioner looks for pets that somebody has started while
// none may run, stopLimit how long it waits for processes to end in each look, and
// tryAgain how long it leaves a watchdog alone that it cannot have.
const (
	again     = 50 * time.Millisecond
	stopLimit = 200 * time.Millisecond
	tryAgain  = time.Second
)

const allStopped = "The deadline is past: all pets are stopped"

// Executioner stops the pets whenever the deadline is past. It needs nothing but the
// kernel.
type Executioner struct {
	Memory *Memory
	// Dir says when it begins: a machine that never had a lease is not its business.
	Dir Dir
	// Stop stops all pets; see halt.Pods.
	Stop func(context.Context) error
	// Watchdog opens a watchdog that resets the machine if pets cannot be stopped, or if
	// there is no executioner any more that could; nil: none is wanted. Terms say for how long
	// it is fed.
	Watchdog func() (Watchdog, error)
	Terms    fence.Terms
}

// Run works until ctx ends. The pets do not: whoever ends an executioner starts
// another.
func (e Executioner) Run(ctx context.Context) error {
	lock, err := e.Dir.lockExecutioner()
	if err != nil {
		return err
	}
	defer lock.Close()
	alarm, err := newAlarm()
	if err != nil {
		return err
	}
	defer alarm.file.Close()
	defer context.AfterFunc(ctx, alarm.interrupt)()
	for !e.Dir.Armed() && ctx.Err() == nil {
		if err := alarm.wait(now().Add(again)); err != nil {
			return err
		}
	}
	return e.watch(ctx, alarm, aside(ctx))
}

// watch works from when the node has a lease.
func (e Executioner) watch(ctx context.Context, alarm alarm, say func(func(klog.Logger))) error {
	guard := guard{open: e.Watchdog, memory: e.Memory, say: say}
	e.Memory.setGuarded(false) // the one before may have said so
	var failed error
	told := "" // what has been said of this deadline
	for ctx.Err() == nil {
		deadline := e.Memory.Load()
		if !deadline.Overdue(e.Memory.boot, now()) {
			told, failed = "", nil
			guard.feed(e.Terms.Feed(deadline, e.Memory.boot, now()))
			if err := alarm.wait(guard.next(deadline.Until)); err != nil {
				return err
			}
			continue
		}
		var stopped bool
		stopped, failed = e.stop(ctx)
		switch {
		case failed != nil && told != failed.Error():
			err := failed
			told = err.Error()
			say(func(log klog.Logger) { log.Error(err, "Pets cannot be stopped; trying again") })
		case stopped:
			guard.feed(e.Terms.FeedStopped())
			if told != allStopped {
				told = allStopped
				say(func(log klog.Logger) { log.Info(allStopped, "epoch", deadline.Epoch) })
			}
		}
		if err := alarm.wait(now().Add(again)); err != nil {
			return err
		}
	}
	if failed == nil { // else the machine must be reset, whoever ended this
		guard.close()
	}
	return nil
}

// aside returns how to log without waiting: the disk that takes the log may hang. What
// is said while it does is lost, but for one line.
func aside(ctx context.Context) (say func(func(klog.Logger))) {
	saying := make(chan func(klog.Logger), 1)
	go func() {
		for {
			select {
			case what := <-saying:
				what(klog.FromContext(ctx))
			case <-ctx.Done():
				return
			}
		}
	}()
	return func(what func(klog.Logger)) {
		select {
		case saying <- what:
		default:
		}
	}
}

// stop ends the deadline for good, and then the pets; unless it was prolonged just in time.
// The end of ctx does not interrupt it: it would look as if pets could not be stopped.
func (e Executioner) stop(ctx context.Context) (stopped bool, err error) {
	e.Memory.setExecuting(true)
	defer e.Memory.setExecuting(false)
	for {
		deadline := e.Memory.Load()
		if !deadline.Overdue(e.Memory.boot, now()) {
			return false, nil
		}
		if deadline.Until == 0 || e.Memory.Swap(deadline, fence.Deadline{Boot: deadline.Boot, Epoch: deadline.Epoch}) {
			break
		}
	}
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), stopLimit, fmt.Errorf("not within %v", stopLimit))
	defer cancel()
	err = e.Stop(ctx)
	return err == nil, err
}
