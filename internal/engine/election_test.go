package engine

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// TestElection: one server leads. It gives the lead up in good time when it stops, and
// takes it again at once when it starts again under its name.
func TestElection(t *testing.T) {
	leases := fake.NewClientset().CoordinationV1()
	lock := func(server string) resourcelock.Interface {
		return &resourcelock.LeaseLock{
			LeaseMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceSystem, Name: leaderLease}, Client: leases,
			LockConfig: resourcelock.ResourceLockConfig{Identity: server},
		}
	}
	candidate := func(server string) candidacy {
		t.Helper()
		c, err := stand(t.Context(), lock(server))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.letGo)
		return c
	}
	within := func(what string, limit time.Duration, happens <-chan struct{}) {
		t.Helper()
		select {
		case <-happens:
		case <-time.After(limit):
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
	a := candidate("a")
	within("a leads", leadTerm, a.elected)
	b := candidate("b")
	within("b sees another lead", leadTerm, b.others)

	a.withdraw() // as one that is killed
	again := candidate("a")
	within("a leads again", leadRenew, again.elected)
	select {
	case <-b.elected:
		t.Fatal("b leads, too")
	default:
	}

	again.withdraw()
	giveUp(t.Context(), lock("a"))
	within("b leads", leadTerm/2, b.elected)
	giveUp(t.Context(), lock("a")) // it is not a's to give up any more
	record, _, err := lock("a").Get(t.Context())
	if err != nil || record.HolderIdentity != "b" {
		t.Errorf("%q leads, %v", record.HolderIdentity, err)
	}
}
