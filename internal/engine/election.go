package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"
)

// Of several servers one leads: its scheduler and its controllers decide for the whole
// cluster, and its judge acts. One Lease stands for all of them. A pet that is to start
// elsewhere needs each one, so several leaders would be as slow as the slowest; and a
// server that does not lead keeps none of their caches in memory.

// leaderLease is called like that of upstream's controllers, which are most of what it
// stands for: whoever looks for a Kubernetes' leader looks there.
const leaderLease = "kube-controller-manager"

// The terms of the election. When a server is lost another one leads about when the
// judges have made sure that its pets have stopped (fence.Terms.Wait).
const (
	// leadTerm is how long the others wait, from when each has seen the last renewal.
	// Leases tell it in whole seconds.
	leadTerm = 4 * time.Second
	// leadPatience is how long a leader goes on that cannot renew. What is left of the
	// term is for its controllers to stop.
	leadPatience = 3 * time.Second
	leadRenew    = 500 * time.Millisecond
)

// ErrDeposed tells that this server led, and may not any more. Upstream's controllers and its
// scheduler run once in a process, so the engine has to start again.
var ErrDeposed = errors.New("this server does not lead any more: its engine starts again")

// startControllers starts what decides for the whole cluster, or sees to it that it
// starts when this server leads. It returns when they are there, here or elsewhere.
func (e *Engine) startControllers(ctx context.Context) error {
	if !e.config.Etcd.Configured() {
		e.leads.Store(true) // there is no other
		return e.lead(ctx, e.controllers)
	}
	settled := make(chan struct{})
	e.controllers.run("election", func(ctx context.Context) error { return e.campaign(ctx, sync.OnceFunc(func() { close(settled) })) })
	select {
	case <-settled:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// campaign leads whenever no other server does, until ctx ends, or until it may lead no
// more. It calls settled when somebody leads.
func (e *Engine) campaign(ctx context.Context, settled func()) error {
	lock, err := leaderLock(e.paths, e.config.NodeName)
	if err != nil {
		return err
	}
	c, err := stand(ctx, lock)
	if err != nil {
		return err
	}
	leading, begun := newGroup(ctx), false
	for {
		select {
		case <-c.elected:
			c.elected = nil
			e.leads.Store(true)
			if !begun {
				begun = true
				leading.Go(func() error { defer settled(); return e.lead(leading, leading) })
			}
			continue
		case <-c.others:
			settled()
			if !begun {
				continue
			}
		case <-leading.Done():
			stopped := leading.stop(time.Second)
			c.withdraw()
			if stopped { // else the lease runs out
				giveUp(ctx, lock)
			}
			return context.Cause(leading)
		case <-c.lost:
			if len(knownServers(e.paths)) <= 1 { // nobody else can have it: go on
				e.leads.Store(false)
				if c, err = stand(ctx, lock); err != nil {
					return err
				}
				continue
			}
		}
		e.leads.Store(false)
		leading.cancel()
		return waitDeposed(ctx, lock)
	}
}

// candidacy is a server's for the lead.
type candidacy struct {
	elected, lost chan struct{} // closed
	others        chan struct{} // another server leads
	letGo         context.CancelFunc
}

// withdraw ends it, and leaves the Lease as it is.
func (c candidacy) withdraw() {
	c.letGo()
	<-c.lost
}

// stand makes this server a candidate. It outlives ctx: whoever leads is to end first.
func stand(ctx context.Context, lock resourcelock.Interface) (candidacy, error) {
	c := candidacy{elected: make(chan struct{}), lost: make(chan struct{}), others: make(chan struct{}, 1)}
	elected, lost := c.elected, c.lost
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: lock, LeaseDuration: leadTerm, RenewDeadline: leadPatience, RetryPeriod: leadRenew,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { close(elected) },
			OnStoppedLeading: func() { close(lost) },
			OnNewLeader: func(server string) {
				klog.FromContext(ctx).Info("A server leads", "server", server)
				if server == lock.Identity() {
					return
				}
				select {
				case c.others <- struct{}{}:
				default: // is known already
				}
			},
		},
	})
	if err != nil {
		return c, err
	}
	holding, letGo := context.WithCancel(context.WithoutCancel(ctx))
	c.letGo = letGo
	go elector.Run(holding)
	return c, nil
}

// leaderLock is the Lease in the hands of this server. Its name is enough: a data
// directory has one engine, and an engine that starts again may lead on at once.
func leaderLock(paths Paths, nodeName string) (resourcelock.Interface, error) {
	access, err := accessOf(paths, "controller-manager")
	if err != nil {
		return nil, err
	}
	access.Timeout = leadPatience / 2
	client, err := kubernetes.NewForConfig(access)
	if err != nil {
		return nil, err
	}
	return &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: metav1.NamespaceSystem, Name: leaderLease},
		Client:     client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: nodeName},
	}, nil
}

// giveUp lets another server lead at once. All that led here has ended.
func giveUp(ctx context.Context, lock resourcelock.Interface) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leadRenew)
	defer cancel()
	record, _, err := lock.Get(ctx)
	if err != nil || record.HolderIdentity != lock.Identity() {
		return
	}
	record.HolderIdentity = ""
	if err := lock.Update(ctx, *record); err != nil {
		klog.FromContext(ctx).Error(err, "The lease of the leading server runs out by itself")
	}
}

// waitDeposed returns ErrDeposed when the API answers again. Until then nobody can lead,
// and an engine that starts could do less for its pods than this one.
func waitDeposed(ctx context.Context, lock resourcelock.Interface) error {
	klog.FromContext(ctx).Info("This server leads no more; its engine starts again when the API answers")
	err := wait.PollUntilContextCancel(ctx, leadRenew, true, func(ctx context.Context) (bool, error) {
		_, _, err := lock.Get(ctx)
		return err == nil, nil
	})
	if err != nil {
		return fmt.Errorf("wait for the API: %w", err)
	}
	return ErrDeposed
}
