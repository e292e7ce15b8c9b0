package agent

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/klog/v2"

	"github.com/mainstay-io/mainstay/internal/fence"
)

// Keeper carries out what a fence.Keeper decides.
type Keeper struct {
	Terms fence.Terms
	Node  string
	// Machine identifies the machine, whatever its name: see fence.Record.
	Machine string
	Memory  *Memory
	Leases  Leases
	Asker   Asker
	Words   *Words
	// Pods are the node's.
	Pods Pods
	// Alive tells whether kubelet works.
	Alive func(context.Context) bool
	// Executioner makes sure that the executioner runs.
	Executioner func(context.Context) error

	core   *fence.Keeper
	events chan event
	last   fence.Deadline
	// peers are the addresses of the other members, by name.
	peers map[string]string
	// informed is when lookAtMembers last succeeded.
	informed fence.Instant
	// endClaim ends a ClaimPets under way, and returns when it has.
	endClaim func()
	// stopping: one StopPets at a time, of which the latest counts.
	stopping sync.Mutex
	stopID   atomic.Uint64
	work     sync.WaitGroup
}

// Pods are what a keeper stops and allows.
type Pods interface {
	// Stop stops all pets; see halt.Pods.
	Stop(context.Context) error
	// Claim writes to each pod that is still the node's, and allows it.
	Claim(ctx context.Context, epoch int32) error
}

// event is something that the core is told.
type event func(now fence.Instant) []fence.Action

// Run keeps the node's lease until ctx ends, and leaves it to the next keeper then.
func (k *Keeper) Run(ctx context.Context) error {
	if err := k.Terms.Check(); err != nil {
		return err
	}
	k.events, k.endClaim = make(chan event, 64), func() {}
	k.last = k.Memory.Load()
	k.core = fence.ResumeKeeper(now(), k.Terms, k.Node, k.Machine, k.last, k.Memory.boot)
	ctx, cancel := context.WithCancel(ctx)
	defer k.work.Wait()
	defer cancel()
	k.repeat(ctx, k.Terms.Renew/2, k.lookAtEngine)
	k.repeat(ctx, k.Terms.Renew, k.lookAtMembers)
	k.repeat(ctx, k.Terms.Renew/4, k.lookAtExecutioner())

	ticks := time.NewTicker(k.Terms.Renew / 8)
	defer ticks.Stop()
	for {
		var next event
		select {
		case <-ctx.Done():
			return nil
		case next = <-k.events:
		case <-ticks.C:
			next = k.core.Tick
		}
		if deadline := k.Memory.Load(); deadline != k.last {
			k.last = deadline
			k.carryOut(ctx, k.core.Ended(now()))
		}
		k.carryOut(ctx, next(now()))
	}
}

// repeat does something over and over, beside the rest.
func (k *Keeper) repeat(ctx context.Context, every time.Duration, do func(context.Context)) {
	k.work.Go(func() {
		ticks := time.NewTicker(every)
		defer ticks.Stop()
		for ctx.Err() == nil {
			do(ctx)
			select {
			case <-ctx.Done():
			case <-ticks.C:
			}
		}
	})
}

// tell hands an event to the core.
func (k *Keeper) tell(ctx context.Context, e event) {
	select {
	case k.events <- e:
	case <-ctx.Done():
	}
}

func (k *Keeper) lookAtEngine(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, k.Terms.Renew)
	defer cancel()
	if seen := now(); k.Alive(limited) {
		k.tell(ctx, func(fence.Instant) []fence.Action { k.core.EngineSeen(seen); return nil })
	}
}

// lookAtExecutioner tells when the executioner does not come back at once.
func (k *Keeper) lookAtExecutioner() func(context.Context) {
	failures := 0
	return func(ctx context.Context) {
		err := k.Executioner(ctx)
		if err == nil || ctx.Err() != nil {
			failures = 0
			return
		}
		if failures++; failures == 4 {
			klog.FromContext(ctx).Error(err, "The executioner does not run: if the keeper ended too, nobody would stop the pets")
		}
	}
}

// lookAtMembers learns who the members are, and informs this one: from time to time, and
// until it has succeeded more often.
func (k *Keeper) lookAtMembers(ctx context.Context) {
	if now().Sub(k.informed) < k.Terms.Term && k.informed != 0 {
		return
	}
	limited, cancel := context.WithTimeout(ctx, k.Terms.Term)
	defer cancel()
	leases, err := k.Leases.List(limited)
	if err != nil {
		return // the keeper notices by its own requests
	}
	k.Words.Read(leases)
	peers, err := k.Leases.addresses(limited)
	if err != nil {
		return
	}
	k.informed = now()
	members := fence.MembersFor(k.Node, leases, slices.Collect(maps.Keys(peers)))
	k.tell(ctx, func(fence.Instant) []fence.Action {
		k.peers = peers
		k.core.SetMembers(members)
		return nil
	})
}

// carryOut does what the core asks for, in order. What takes its time goes on beside.
func (k *Keeper) carryOut(ctx context.Context, actions []fence.Action) {
	for _, a := range actions {
		klog.FromContext(ctx).V(2).Info("Fence", "action", a.Verb, "epoch", a.Epoch, "reason", a.Reason)
		switch a.Verb {
		case fence.ReadLease:
			k.request(ctx, a.ID, func(ctx context.Context) fence.Answer { return k.Leases.Read(ctx, a.Lease.Node) })
		case fence.WriteLease:
			k.request(ctx, a.ID, func(ctx context.Context) fence.Answer { return k.Leases.Write(ctx, a.Lease) })
		case fence.AskMembers:
			k.askMembers(ctx, a)
		case fence.ExtendDeadline:
			if !k.extend(a.Epoch, a.Until) {
				// The executioner was first. What else was to be done counts no more.
				k.carryOut(ctx, k.core.Ended(now()))
				return
			}
		case fence.StopPets:
			k.stopPets(ctx, a)
		case fence.ClaimPets:
			k.claimPets(ctx, a)
		}
	}
}

func (k *Keeper) request(ctx context.Context, id uint64, ask func(context.Context) fence.Answer) {
	k.work.Go(func() {
		limited, cancel := context.WithTimeout(ctx, k.Terms.Term)
		defer cancel()
		answer := ask(limited)
		k.tell(ctx, func(now fence.Instant) []fence.Action { return k.core.Answered(now, id, answer) })
	})
}

func (k *Keeper) askMembers(ctx context.Context, a fence.Action) {
	for _, member := range a.Members {
		host := k.peers[member]
		if host == "" {
			continue // its address was never known
		}
		k.work.Go(func() {
			limited, cancel := context.WithTimeout(ctx, k.Terms.Renew)
			defer cancel()
			if err := k.Asker.Vouch(limited, host, a.Subject, a.Epoch); err != nil {
				klog.FromContext(ctx).V(2).Info("A member does not vouch", "member", member, "reason", err.Error())
				return
			}
			k.tell(ctx, func(now fence.Instant) []fence.Action { return k.core.Vouched(now, a.ID, member) })
		})
	}
}

// extend writes the deadline, unless somebody else has since it was written last.
func (k *Keeper) extend(epoch int32, until fence.Instant) bool {
	replacement := fence.Deadline{Boot: k.Memory.boot, Epoch: epoch, Until: until}
	if !k.Memory.Swap(k.last, replacement) {
		k.last = k.Memory.Load()
		return false
	}
	k.last = k.Memory.Load()
	return true
}

// stopPets ends the deadline at once, and then, beside the rest, every pet.
func (k *Keeper) stopPets(ctx context.Context, a fence.Action) {
	klog.FromContext(ctx).Info("All pets of this node are stopped", "reason", a.Reason)
	endClaim := k.endClaim
	k.stopID.Store(a.ID)
	for !k.Memory.Swap(k.Memory.Load(), fence.Deadline{Boot: k.Memory.boot, Epoch: k.last.Epoch}) {
	}
	k.last = k.Memory.Load()
	k.work.Go(func() {
		k.stopping.Lock()
		defer k.stopping.Unlock()
		endClaim() // it might let something run after all
		for ctx.Err() == nil && k.stopID.Load() == a.ID {
			err := k.Pods.Stop(ctx)
			if err == nil {
				k.tell(ctx, func(now fence.Instant) []fence.Action { return k.core.Stopped(now, a.ID) })
				return
			}
			klog.FromContext(ctx).Error(err, "Pets cannot be stopped; trying again")
			pauseFor(ctx, again)
		}
	})
}

// claimPets lets those pets run that are still the node's, once the executioner has
// put its axe down.
func (k *Keeper) claimPets(ctx context.Context, a fence.Action) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	k.endClaim = func() { cancel(); <-ended }
	k.work.Go(func() {
		defer close(ended)
		for ctx.Err() == nil {
			err := fmt.Errorf("the executioner is still at work")
			if !k.Memory.Executing() {
				err = k.Pods.Claim(ctx, a.Epoch)
			}
			if err == nil {
				return
			}
			klog.FromContext(ctx).V(2).Info("Pets wait", "reason", err.Error())
			pauseFor(ctx, again)
		}
	})
}

func pauseFor(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
