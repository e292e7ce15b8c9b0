package engine

import (
	"context"
	"errors"
	"testing"

	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Each step is taken by one of two replicas, "a" or "b", of one lease.
func TestStrictLease(t *testing.T) {
	for _, test := range []struct {
		name  string
		steps func(a, b *strictLease) error // the last error
		lost  bool                          // a is told that it leads no more
		want  error
	}{
		{"a leads, and sees itself", func(a, _ *strictLease) error { return errors.Join(take(a), look(a)) }, false, nil},
		{"b only waits, and sees a", func(a, b *strictLease) error { return errors.Join(take(b), look(a)) }, false, nil},
		{"a slept, b has the lease", func(a, b *strictLease) error { return errors.Join(take(a), take(b), look(a)) }, true, nil},
		{"a gives back what is its own", func(a, _ *strictLease) error { return errors.Join(take(a), look(a), release(a)) }, false, nil},
		{"a gives back what is b's", func(a, b *strictLease) error {
			return errors.Join(take(a), take(b), look(a), release(a))
		}, true, errLeaseOfAnother},
		{"nobody has the lease", func(a, b *strictLease) error {
			return errors.Join(take(a), take(b), release(b), look(a))
		}, false, nil},
		{"a has given it back, b has it", func(a, b *strictLease) error {
			return errors.Join(take(a), look(a), release(a), take(b), look(a))
		}, false, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			client := fake.NewClientset()
			var told error
			replica := func(name string) *strictLease {
				lease, err := resourcelock.New(resourcelock.LeasesResourceLock, "kube-system", leaseName,
					client.CoreV1(), client.CoordinationV1(), resourcelock.ResourceLockConfig{Identity: name})
				if err != nil {
					t.Fatal(err)
				}
				return &strictLease{Interface: lease, lost: func(err error) { told = err }}
			}
			if err := test.steps(replica("a"), replica("b")); !errors.Is(err, test.want) {
				t.Errorf("the error is %v, not %v", err, test.want)
			}
			if errors.Is(told, errLeaseOfAnother) != test.lost {
				t.Errorf("a was told %v", told)
			}
		})
	}
}

func look(l *strictLease) error {
	_, _, err := l.Get(context.Background())
	return err
}

// take makes the replica the holder, whoever was.
func take(l *strictLease) error {
	record := resourcelock.LeaderElectionRecord{HolderIdentity: l.Identity(), LeaseDurationSeconds: 7}
	if look(l) != nil {
		return l.Create(context.Background(), record)
	}
	return l.Update(context.Background(), record)
}

func release(l *strictLease) error {
	return l.Update(context.Background(), resourcelock.LeaderElectionRecord{LeaseDurationSeconds: 1})
}
