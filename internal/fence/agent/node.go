package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"

	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"

	"github.com/mainstay-io/mainstay/internal/fence"
)

// Node is a node's part of the fence, but for the executioner.
type Node struct {
	Terms fence.Terms
	Name  string
	// Machine identifies the machine, whatever its name: see fence.Record.
	Machine string
	// Address is where the other members reach it.
	Address net.IP
	// Dir holds what outlives this process.
	Dir Dir
	// Leases acts as the keeper, Pets as the node.
	Leases Leases
	Pets   Pets
	// Server and Asker are for the words between members.
	Server *tls.Config
	Asker  Asker
	// Alive tells whether kubelet, or what it is part of, works.
	Alive func(context.Context) bool
	// Executioner makes sure that the executioner runs. It is called over and over.
	Executioner func(context.Context) error
}

// Run keeps the node's lease, and answers for other nodes, until ctx ends. The pets go on then,
// as long as the deadline is away: the next process resumes.
func (n Node) Run(ctx context.Context) error {
	if err := n.Terms.Check(); err != nil {
		return err
	}
	memory, err := n.Dir.OpenMemory()
	if err != nil {
		return err
	}
	defer memory.Close()
	words := NewWords()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return n.Pets.Watch(ctx) })
	group.Go(func() error {
		return words.Serve(ctx, net.JoinHostPort(n.Address.String(), strconv.Itoa(Port)), n.Server)
	})
	group.Go(func() error {
		if err := n.enter(ctx, memory); err != nil {
			return err
		}
		group.Go(func() error { n.announce(ctx, memory); return nil })
		keeper := Keeper{
			Terms: n.Terms, Node: n.Name, Machine: n.Machine, Memory: memory, Leases: n.Leases, Asker: n.Asker, Words: words,
			Pods: n.Pets, Alive: n.Alive, Executioner: n.Executioner,
		}
		return keeper.Run(ctx)
	})
	err = group.Wait()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// enter makes the node a part of the fence, if it is none yet. Nobody can fence a node
// that has no lease, so whatever runs on it runs rightly, and goes on.
//
// From before the lease can be there, the executioner is armed with a deadline. If the
// lease then cannot be made in time, the pets are stopped once.
func (n Node) enter(ctx context.Context, memory *Memory) error {
	for told := ""; ; {
		err := n.tryToEnter(ctx, memory)
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		if err.Error() != told {
			told = err.Error()
			klog.FromContext(ctx).Info("This node waits to become a part of the fence", "reason", told)
		}
		pauseFor(ctx, n.Terms.Renew)
	}
}

func (n Node) tryToEnter(ctx context.Context, memory *Memory) error {
	ctx, cancel := context.WithTimeout(ctx, n.Terms.Term)
	defer cancel()
	if err := n.Executioner(ctx); err != nil {
		return err
	}
	armed, err := n.Dir.armed()
	if armed || err != nil {
		return err
	}
	switch n.Leases.Read(ctx, n.Name).Outcome {
	case fence.Gone:
	case fence.Done:
		return n.Dir.arm() // of an earlier life of this node: it begins with nothing running
	default:
		return errors.New("the API does not tell whether there is a lease")
	}
	leases, err := n.Leases.List(ctx)
	if err != nil {
		return err
	}
	names := []string{n.Name}
	for _, lease := range leases {
		names = append(names, lease.Node)
	}
	if spared, err := n.Pets.Spared.read(); err != nil || spared == nil {
		return errors.Join(errors.New("it is not known yet which pods are no pets"), err)
	}
	lease := fence.Lease{Node: n.Name, Record: fence.Record{State: fence.Open, Epoch: 1, Machine: n.Machine, Members: fence.MembersOf(names)}}
	if !memory.Swap(memory.Load(), fence.Deadline{Boot: memory.boot, Epoch: 1, Until: now().Add(n.Terms.Term)}) {
		return errors.New("somebody else changes the deadline")
	}
	if err := n.Dir.arm(); err != nil {
		return err
	}
	// Whatever becomes of this, the keeper finds out.
	if answer := n.Leases.Write(ctx, lease); answer.Outcome != fence.Done {
		klog.FromContext(ctx).Info("It is not sure that this node's lease was made")
	}
	return nil
}

// Wait returns when the node's deadline is away, so that pets may run; an error when ctx ends before.
func Wait(ctx context.Context, dir Dir) error {
	memory, err := dir.OpenMemory()
	if err != nil {
		return err
	}
	defer memory.Close()
	for !memory.Holds() {
		pauseFor(ctx, again)
		if ctx.Err() != nil {
			return fmt.Errorf("this node does not get its lease: %w", context.Cause(ctx))
		}
	}
	return nil
}
