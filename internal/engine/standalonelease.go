package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// The lease. When a leader is killed, the next replica learns of its last renewal,
// waits for the duration, and tries again: 10 s in all, since it looks every one to
// two seconds. A leader that is told to stop gives the lease back. One that cannot
// renew it ends a second before another may take it.
const (
	leaseName          = "mainstay-controller"
	leaseDuration      = 6 * time.Second
	leaseRenewDeadline = 4 * time.Second
	leaseRetryPeriod   = time.Second
)

// newLease returns this replica's view of a lease. Lost is called, more than
// once maybe, when another has it although this replica leads.
func newLease(access *rest.Config, namespace, name string, lost func(error)) (resourcelock.Interface, error) {
	access = rest.AddUserAgent(rest.CopyConfig(access), "lease")
	access.Timeout = leaseRenewDeadline / 2 // one slow answer must not cost the lease
	client, err := kubernetes.NewForConfig(access)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	lease, err := resourcelock.New(resourcelock.LeasesResourceLock, namespace, name, client.CoreV1(), client.CoordinationV1(),
		resourcelock.ResourceLockConfig{Identity: host + "_" + string(uuid.NewUUID())})
	return &strictLease{Interface: lease, lost: lost}, err
}

// strictLease adds to a lease what counts for a leader whose process or machine
// stood still for longer than the lease lasts. Upstream's elector lets it lead on
// for a renewal deadline after it could know better, and lets it release the lease
// in the other's name. The elector uses it from one goroutine.
type strictLease struct {
	resourcelock.Interface
	lost   func(error)
	leads  bool
	holder string // when last read
}

var errLeaseOfAnother = errors.New("another replica has the lease")

func (l *strictLease) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.Interface.Get(ctx)
	if err != nil {
		return record, raw, err
	}
	l.holder = record.HolderIdentity
	if l.leads && l.holder != "" && l.holder != l.Identity() {
		l.lost(fmt.Errorf("%w: %s", errLeaseOfAnother, l.holder))
	}
	return record, raw, nil
}

func (l *strictLease) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.wrote(record, l.Interface.Create(ctx, record))
}

func (l *strictLease) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	releases := record.HolderIdentity == ""
	if releases && l.holder != l.Identity() {
		return fmt.Errorf("%w: it is not ours to release", errLeaseOfAnother)
	}
	return l.wrote(record, l.Interface.Update(ctx, record))
}

func (l *strictLease) wrote(record resourcelock.LeaderElectionRecord, err error) error {
	if err == nil {
		l.leads, l.holder = record.HolderIdentity == l.Identity(), record.HolderIdentity
	}
	return err
}
