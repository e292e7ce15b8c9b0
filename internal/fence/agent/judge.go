package agent

import (
	"context"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"

	"github.com/mainstay-io/mainstay/internal/fence"
)

// Judge carries out what a fence.Judge decides. Every server may run one, all the time.
type Judge struct {
	Terms  fence.Terms
	Client kubernetes.Interface
	Asker  Asker
	// Leads: of all judges this one is to act. When several do for a while, no more
	// comes of it than that more nodes may be fenced at once.
	Leads func() bool
	// Events tells of what is taken from a fenced node.
	Events record.EventRecorder

	leases Leases
	mutex  sync.Mutex
	core   *fence.Judge
	// held is what was told last of nodes that are not fenced.
	held map[string]string
	// marked are the nodes of which it was made sure that they bear the taint, or not.
	marked map[string]bool
	peers  map[string]string
	work   sync.WaitGroup
}

// Run judges until ctx ends.
func (j *Judge) Run(ctx context.Context) error {
	if err := j.Terms.Check(); err != nil {
		return err
	}
	j.leases = Leases{Client: j.Client, Terms: j.Terms}
	j.core, j.held, j.marked = fence.NewJudge(j.Terms), map[string]string{}, map[string]bool{}
	defer j.work.Wait()
	looks := time.NewTicker(j.Terms.Blind / 4)
	defer looks.Stop()
	told := ""
	for {
		err := j.look(ctx)
		if err == nil {
			told = ""
		} else if err.Error() != told && ctx.Err() == nil {
			told = err.Error()
			klog.FromContext(ctx).Error(err, "The judge sees nothing, and fences nobody")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-looks.C:
		}
	}
}

// look observes all leases once, and acts if this judge leads.
func (j *Judge) look(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, j.Terms.Blind)
	defer cancel()
	leases, err := j.leases.List(limited)
	if err != nil {
		return err
	}
	j.mutex.Lock()
	j.core.Observe(now(), leases)
	verdict := j.core.Decide(now())
	j.mutex.Unlock()
	if !j.Leads() {
		clear(j.marked)
		return nil
	}
	j.tell(ctx, verdict.Held)
	for _, lease := range leases {
		if lease.State == fence.Open {
			j.mark(ctx, lease.Node, false)
		}
	}
	for _, a := range verdict.Actions {
		j.carryOut(ctx, a)
	}
	return nil
}

func (j *Judge) tell(ctx context.Context, held map[string]string) {
	for node, why := range held {
		if j.held[node] != why {
			klog.FromContext(ctx).Info("A node is not fenced yet", "node", node, "reason", why)
		}
	}
	j.held = held
}

func (j *Judge) carryOut(ctx context.Context, a fence.Action) {
	switch a.Verb {
	case fence.WriteLease:
		klog.FromContext(ctx).Info("Fence", "node", a.Lease.Node, "state", a.Lease.State, "epoch", a.Lease.Epoch, "reason", a.Reason)
		limited, cancel := context.WithTimeout(ctx, j.Terms.Blind)
		defer cancel()
		_ = j.leases.Write(limited, a.Lease) // what became of it is seen when the leases are next read
	case fence.AskRefusals:
		j.askRefusals(ctx, a)
	case fence.FailOver:
		if err := j.failOver(ctx, a.Lease); err != nil && ctx.Err() == nil {
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
		})
	}
}
