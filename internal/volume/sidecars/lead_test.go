package sidecars

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

// At most one works at a time; the next begins when the first has ended.
func TestLead(t *testing.T) {
	client, lease := fake.NewClientset(), leaseOf("kube-system", driverName)
	quick := terms{duration: 5 * time.Second, deadline: 3 * time.Second, period: 20 * time.Millisecond}
	var working atomic.Int32
	begin := func(node string) (started chan struct{}, stop func(), ended chan struct{}) {
		ctx, stop := context.WithCancel(t.Context())
		started, ended = make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			err := lead(ctx, client, lease, node, quick, func(ctx context.Context) {
				if working.Add(1) != 1 {
					t.Errorf("%s works beside another", node)
				}
				close(started)
				<-ctx.Done()
				time.Sleep(100 * time.Millisecond) // what is under way takes its time
				working.Add(-1)
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", node, err)
			}
		}()
		return started, stop, ended
	}
	startedA, stopA, endedA := begin("a")
	<-startedA
	startedB, stopB, endedB := begin("b")
	select {
	case <-startedB:
	case <-time.After(200 * time.Millisecond):
	}
	began := time.Now()
	stopA()
	<-endedA
	<-startedB
	if took := time.Since(began); took > quick.duration {
		t.Errorf("the Lease was not given back: the next waited for %v", took)
	}
	// Who waits in vain can be stopped, too.
	_, stopC, endedC := begin("c")
	stopC()
	<-endedC
	stopB()
	<-endedB
	if held, err := client.CoordinationV1().Leases(lease.Namespace).Get(t.Context(), lease.Name, meta.GetOptions{}); err != nil || *held.Spec.HolderIdentity != "" {
		t.Errorf("the Lease is %v (%v)", held, err)
	}
}

// A node that was killed goes on without waiting for its own Lease to run out.
func TestLeadAgain(t *testing.T) {
	client, lease := fake.NewClientset(), leaseOf("kube-system", driverName)
	killed, stop := context.WithCancel(t.Context())
	defer stop()
	started := make(chan struct{}, 2)
	for range 2 { // the first one never gives its Lease back
		go func() {
			_ = lead(killed, client, lease, "a", usualTerms, func(ctx context.Context) { started <- struct{}{}; <-ctx.Done() })
		}()
		select {
		case <-started:
		case <-time.After(usualTerms.period):
			t.Fatal("the node waits for itself")
		}
	}
}
