package agent

import (
	"context"
	"fmt"
	"time"

	"k8s.io/klog/v2"

	"github.com/mainstay-io/mainstay/internal/fence"
)

// again is how often the executioner looks for pets that somebody has started while
// none may run, and stopLimit how long it waits for processes to end in each look.
const (
	again     = 50 * time.Millisecond
	stopLimit = 200 * time.Millisecond
)

// Executioner stops the pets whenever the deadline is past. It needs nothing but the
// kernel.
type Executioner struct {
	Memory *Memory
	// Dir says when it begins: a machine that never had a lease is not its business.
	Dir Dir
	// Stop stops all pets; see halt.Pods.
	Stop func(context.Context) error
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
	told := false
	say := aside(ctx)
	for ctx.Err() == nil {
		deadline := e.Memory.Load()
		if !deadline.Overdue(e.Memory.boot, now()) {
			told = false
			if err := alarm.wait(deadline.Until); err != nil {
				return err
			}
			continue
		}
		err := e.stop(ctx)
		if err != nil && ctx.Err() == nil {
			say(func(log klog.Logger) { log.Error(err, "Pets cannot be stopped; trying again") })
		} else if !told {
			say(func(log klog.Logger) { log.Info("The deadline is past: all pets are stopped", "epoch", deadline.Epoch) })
			told = true
		}
		if err := alarm.wait(now().Add(again)); err != nil {
			return err
		}
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

// stop ends the deadline for good, and then the pets.
func (e Executioner) stop(ctx context.Context) error {
	e.Memory.setExecuting(true)
	defer e.Memory.setExecuting(false)
	for {
		deadline := e.Memory.Load()
		if !deadline.Overdue(e.Memory.boot, now()) {
			return nil // the keeper was just in time
		}
		if deadline.Until == 0 || e.Memory.Swap(deadline, fence.Deadline{Boot: deadline.Boot, Epoch: deadline.Epoch}) {
			break
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, stopLimit, fmt.Errorf("not within %v", stopLimit))
	defer cancel()
	return e.Stop(ctx)
}
