package sidecars

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	coordination "k8s.io/api/coordination/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
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
// that comes back within its own term goes on at once. One that waits asks for a Lease
// that becomes free, without waiting for its next turn.
func lead(ctx context.Context, client kubernetes.Interface, lease meta.ObjectMeta, node string, t terms, work func(context.Context)) error {
	freed, end := watchFreed(ctx, client, lease)
	defer end()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for {
		if led, err := stand(ctx, client, lease, node, t, freed, work); led || err != nil {
			return err
		}
	}
}

// stand is one candidacy. It ends when it has led, and to be begun anew when the Lease is freed.
func stand(ctx context.Context, client kubernetes.Interface, lease meta.ObjectMeta, node string, t terms, freed <-chan struct{}, work func(context.Context)) (led bool, err error) {
	election, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	var hasLed atomic.Bool
	var working sync.Mutex
	var elector *leaderelection.LeaderElector
	lock := &resourcelock.LeaseLock{
		LeaseMeta: lease, Client: client.CoordinationV1(), LockConfig: resourcelock.ResourceLockConfig{Identity: node},
		Labels: map[string]string{v1alpha1.LeaderLabel: v1alpha1.LeaderNode},
	}
	elector, err = leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: observedLock{lock, func(holder string) {
			if hasLed.Load() && holder != "" && holder != node {
				giveUp() // the elector would try on until its deadline
			}
		}},
		LeaseDuration: t.duration, RenewDeadline: t.deadline, RetryPeriod: t.period,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(held context.Context) {
				hasLed.Store(true)
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
		return false, err
	}
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-waiting.Done():
		case <-freed:
		}
		if !elector.IsLeader() {
			giveUp()
		}
	}()
	elector.Run(election)
	working.Lock() // it has ended
	defer working.Unlock()
	return hasLed.Load(), ctx.Err()
}

// observedLock tells who is seen to hold the Lease.
type observedLock struct {
	resourcelock.Interface
	seen func(holder string)
}

func (l observedLock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.Interface.Get(ctx)
	if err == nil {
		l.seen(record.HolderIdentity)
	}
	return record, raw, err
}

// watchFreed tells when the Lease has lost its holder, until ctx or end ends it. It
// sees all that happens after it has returned.
func watchFreed(ctx context.Context, client kubernetes.Interface, lease meta.ObjectMeta) (freed <-chan struct{}, end func()) {
	ctx, cancel := context.WithCancel(ctx)
	tells := make(chan struct{}, 1)
	tell := func() {
		select {
		case tells <- struct{}{}:
		default: // it is told already
		}
	}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(lease.Namespace), informers.WithTweakListOptions(func(o *meta.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("metadata.name", lease.Name).String()
	}))
	informer := factory.Coordination().V1().Leases().Informer()
	_, _ = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{ // it has not stopped
		UpdateFunc: func(_, now any) {
			if holder := now.(*coordination.Lease).Spec.HolderIdentity; holder == nil || *holder == "" {
				tell()
			}
		},
		DeleteFunc: func(any) { tell() },
	})
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	return tells, func() { cancel(); factory.Shutdown() }
}
