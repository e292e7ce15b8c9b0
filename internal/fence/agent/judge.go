package agent

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"

	"github.com/mainstay-io/mainstay/internal/fence"
)

// Judge carries out what a fence.Judge decides. Every server may run one, all the time.
type Judge struct {
	Terms  fence.Terms
	Client kubernetes.Interface
	Asker  Asker
	// Reported is how long a kubelet whose node is back may take to tell which volumes it
	// has mounted.
	Reported time.Duration
	// Leads: of all judges this one is to act. When several do for a while, no more
	// comes of it than that more nodes may be fenced at once.
	Leads func() bool

	leases Leases
	mutex  sync.Mutex
	core   *fence.Judge
	// again asks for another look, without waiting for its time.
	again chan struct{}
	// seen are the leases of the last look, by node, and held what was told last of
	// nodes that are not fenced.
	seen map[string]fence.Lease
	held map[string]fence.Held
	// marked are the nodes of which it was made sure that they bear these marks.
	marked map[string]marks
	// released are the nodes from which volumes were taken, with when they were first seen
	// to be back; 0: they are not.
	released map[string]fence.Instant
	losses   losses
	awaited  awaited
	story    story
	peers    map[string]string
	work     sync.WaitGroup
}

// Run judges until ctx ends.
func (j *Judge) Run(ctx context.Context) error {
	if err := j.Terms.Check(); err != nil {
		return err
	}
	j.leases = Leases{Client: j.Client, Terms: j.Terms}
	j.core, j.again = fence.NewJudge(j.Terms), make(chan struct{}, 1)
	j.held, j.marked, j.losses, j.awaited = map[string]fence.Held{}, map[string]marks{}, losses{}, awaited{}
	j.released = map[string]fence.Instant{}
	var end func()
	var err error
	if j.story, end, err = newStory(ctx, j.Client); err != nil {
		return err
	}
	defer end()
	defer j.work.Wait()
	told := ""
	for {
		again, err := j.look(ctx)
		if err == nil {
			told = ""
		} else if err.Error() != told && ctx.Err() == nil {
			told = err.Error()
			klog.FromContext(ctx).Error(err, "The judge sees nothing, and fences nobody")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(again):
		case <-j.again:
		}
	}
}

// lookAgain has the judge look at once.
func (j *Judge) lookAgain() {
	select {
	case j.again <- struct{}{}:
	default: // it will anyway
	}
}

// look observes all leases once, acts if this judge leads, and says how soon to look again.
func (j *Judge) look(ctx context.Context) (again time.Duration, err error) {
	limited, cancel := context.WithTimeout(ctx, j.Terms.Blind)
	defer cancel()
	leases, err := j.leases.List(limited)
	if err != nil {
		return j.Terms.Blind / 4, err
	}
	j.mutex.Lock()
	j.core.Observe(now(), leases)
	verdict := j.core.Decide(now())
	j.mutex.Unlock()
	before := j.seen
	j.seen = map[string]fence.Lease{}
	for _, lease := range leases {
		j.seen[lease.Node] = lease
	}
	j.losses.follow(leases, now())
	if !j.Leads() {
		clear(j.marked)
		clear(j.awaited)
		return verdict.Again, nil
	}
	j.tell(ctx, before, verdict)
	for _, a := range verdict.Actions {
		j.carryOut(ctx, a)
	}
	j.lookForReplacements(ctx)
	return verdict.Again, nil
}

// tell shows people what has changed since the look before.
func (j *Judge) tell(ctx context.Context, before map[string]fence.Lease, verdict fence.Verdict) {
	for node, lease := range j.seen {
		if was, known := before[node]; known {
			j.story.lease(was, lease)
		}
		if lease.State == fence.Fenced {
			continue // it is marked before anything is taken from it
		}
		wanted := marks{}
		if held := verdict.Held[node]; held.Reason != "" {
			wanted.held = held
		}
		if err := j.mark(ctx, node, wanted); err != nil {
			klog.FromContext(ctx).V(2).Info("A node does not show what became of its lease; trying again", "reason", err.Error())
		}
	}
	for node, held := range verdict.Held {
		if j.held[node] == held {
			continue
		}
		klog.FromContext(ctx).Info("A node is not fenced yet", "node", node, "reason", held.Message)
		if held.Reason != "" {
			j.story.held(node, held.Message)
		}
	}
	j.held = verdict.Held
}

// reasonOf is why a lease is fenced.
func reasonOf(lease fence.Lease) string {
	return cmp.Or(lease.Reason, fmt.Sprintf("its lease is %s (epoch %d)", lease.State, lease.Epoch))
}

func (j *Judge) carryOut(ctx context.Context, a fence.Action) {
	switch a.Verb {
	case fence.WriteLease:
		klog.FromContext(ctx).Info("Fence", "node", a.Lease.Node, "state", a.Lease.State, "epoch", a.Lease.Epoch, "reason", a.Reason)
		limited, cancel := context.WithTimeout(ctx, j.Terms.Blind)
		defer cancel()
		// What became of it is seen when the leases are next read.
		if answer := j.leases.Write(limited, a.Lease); answer.Outcome == fence.Done {
			j.lookAgain()
		}
	case fence.AskRefusals:
		j.askRefusals(ctx, a)
	case fence.FailOver:
		if err := j.failOver(ctx, a); err != nil && ctx.Err() == nil {
			klog.FromContext(ctx).Error(err, "Not all could be taken from a fenced node; trying again", "node", a.Lease.Node)
		}
	}
}

// askRefusals asks all at once, and goes on: a member that is lost answers never.
func (j *Judge) askRefusals(ctx context.Context, a fence.Action) {
	limited, cancel := context.WithTimeout(ctx, j.Terms.Blind)
	defer cancel()
	if peers, err := j.leases.addresses(limited); err == nil {
		j.peers = peers
	}
	for _, member := range a.Members {
		host := j.peers[member]
		if host == "" {
			continue
		}
		j.work.Go(func() {
			limited, cancel := context.WithTimeout(ctx, j.Terms.Renew)
			defer cancel()
			age, err := j.Asker.Refuse(limited, host, a.Subject, a.Epoch)
			if err != nil {
				klog.FromContext(ctx).V(2).Info("A member does not refuse", "member", member, "node", a.Subject.Node, "reason", err.Error())
				return
			}
			j.mutex.Lock()
			defer j.mutex.Unlock()
			j.core.Refused(now(), a.Subject, a.Epoch, member, age)
			j.lookAgain()
		})
	}
}
