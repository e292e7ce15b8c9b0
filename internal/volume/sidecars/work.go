package sidecars

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

// The pauses between attempts to reach a driver. One that served for a while is
// looked for again at once.
var searching = wait.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.1, Steps: 7, Cap: time.Minute}

// work serves one driver until ctx ends, as often as it comes back.
func work(ctx context.Context, config Config, c clients, s served) {
	log := klog.LoggerWithValues(klog.FromContext(ctx), "driver", s.name)
	ctx = klog.NewContext(ctx, log)
	delay := searching.DelayWithReset(clock.RealClock{}, 2*searching.Cap)
	_ = delay.Until(ctx, true, true, func(ctx context.Context) (bool, error) {
		if err := workOnce(ctx, config, c, s); err != nil && ctx.Err() == nil {
			log.Error(err, "The sidecars of a CSI driver pause")
		}
		return false, nil
	})
}

// workOnce serves the driver as long as it is there.
func workOnce(ctx context.Context, config Config, c clients, s served) error {
	if err := until(ctx, config.Holds); err != nil {
		return err
	}
	endpoint, err := findEndpoint(ctx, config.registryDir(), s.name)
	if err != nil {
		return err
	}
	d, err := connect(ctx, s, endpoint, config.Holds)
	if err != nil {
		return err
	}
	defer d.connection.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel(nil)
	// What is under way then fails, rather than holding the Lease.
	defer context.AfterFunc(ctx, func() { d.connection.Close() })()
	watching.Go(func() { cancel(d.watch(ctx, patience)) })
	watching.Go(func() {
		if until(ctx, func() bool { return !config.Holds() }) == nil {
			cancel(errRanOut)
		}
	})

	var failed error
	err = lead(ctx, c.kubernetes, leaseOf(config.Namespace, s.name), config.NodeName, usualTerms, func(ctx context.Context) {
		klog.FromContext(ctx).Info("Working for a CSI driver", "sidecars", d.sidecars())
		failed = session{Config: config, clients: c, driver: d}.run(ctx)
	})
	if failed != nil {
		return failed
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
