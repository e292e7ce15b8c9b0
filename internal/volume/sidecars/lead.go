package sidecars

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// terms are those of a driver's Lease: another node takes over when it was not
// renewed for duration; who cannot renew it for deadline stops working.
type terms struct{ duration, deadline, period time.Duration }

var usualTerms = terms{duration: 30 * time.Second, deadline: 20 * time.Second, period: 5 * time.Second}

// leaseOf names a driver's Lease. (A driver has a CSIDriver of its name, so that is
// fit to be a part of one.)
func leaseOf(namespace, driver string) meta.ObjectMeta {
	return meta.ObjectMeta{Namespace: namespace, Name: "mainstay-sidecars-" + driver}
}

// lead waits for the Lease, calls work, and gives the Lease back when that has
// returned. The context of work ends with ctx or when the Lease is lost. A node
// that comes back within its own term goes on at once.
func lead(ctx context.Context, client kubernetes.Interface, lease meta.ObjectMeta, node string, t terms, work func(context.Context)) error {
	election, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	var leads atomic.Bool
	var working sync.Mutex
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta: lease, Client: client.CoordinationV1(), LockConfig: resourcelock.ResourceLockConfig{Identity: node},
		},
		LeaseDuration: t.duration, RenewDeadline: t.deadline, RetryPeriod: t.period,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(held context.Context) {
				leads.Store(true)
				working.Lock()
				defer working.Unlock()
				defer giveUp() // only now: nobody else may begin while work goes on
				held, cancel := context.WithCancel(held)
				defer cancel()
				defer context.AfterFunc(ctx, cancel)()
				work(held)
			},
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() {
		if !leads.Load() {
			giveUp()
		}
	})()
	elector.Run(election)
	working.Lock() // it has ended
	defer working.Unlock()
	return ctx.Err()
}
