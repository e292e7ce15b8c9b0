package engine

import (
	"context"
	"errors"

	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/klog/v2"

	"github.com/mainstay-io/mainstay/internal/volume/snapshots"
)

// SnapshotController is upstream's controller of VolumeSnapshots by itself, for a
// Kubernetes that is not ours and has none. It serves all CSI drivers there.
type SnapshotController struct {
	// Kubeconfig says which Kubernetes; empty in a pod, for the one around it.
	Kubeconfig string
	// LeaseNamespace is where the replicas agree on the one that works; all must
	// say the same. Empty: the pod's own namespace, else kube-system.
	LeaseNamespace string
	// HealthAddress is where /healthz and /readyz are answered; empty: nowhere.
	HealthAddress string
}

// snapshotLeaseName is that of upstream's own program: where that is installed as
// well, in the same namespace, one of the two works.
const snapshotLeaseName = "snapshot-controller-leader"

// Run works, when it is this replica's turn, until ctx ends. An error may tell
// that the lease was lost: then the process must end at once.
func (s SnapshotController) Run(ctx context.Context) error {
	access, err := accessTo(s.Kubeconfig, snapshotControllerName)
	if err != nil {
		return err
	}
	if s.LeaseNamespace == "" {
		s.LeaseNamespace = defaultLeaseNamespace(s.Kubeconfig)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	lease, err := newLease(access, s.LeaseNamespace, snapshotLeaseName, stop)
	if err != nil {
		return err
	}
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Name: snapshotLeaseName, Lock: lease, ReleaseOnCancel: true,
		LeaseDuration: leaseDuration, RenewDeadline: leaseRenewDeadline, RetryPeriod: leaseRetryPeriod,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) {
				klog.FromContext(ctx).Info("This replica controls the snapshots")
				if err := snapshots.RunController(ctx, access); !errors.Is(err, context.Canceled) {
					stop(err)
				}
			},
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return err
	}
	parts := newGroup(ctx)
	if s.HealthAddress != "" {
		parts.run("health", func(ctx context.Context) error { return serveHealth(ctx, s.HealthAddress, noProblem) })
	}
	parts.run("controller of snapshots", func(ctx context.Context) error {
		elector.Run(ctx)
		return errors.New("another replica has the lease, or it could not be renewed")
	})
	if err := parts.Wait(); err != nil {
		return err
	}
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

func noProblem() error { return nil }
