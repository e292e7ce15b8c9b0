package engine

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/klog/v2"

	"github.com/mainstay-io/mainstay/internal/fence"
	"github.com/mainstay-io/mainstay/internal/fence/agent"
	"github.com/mainstay-io/mainstay/internal/fence/identity"
)

// FenceJudge is the judge by itself, for a Kubernetes that is not ours. Several watch all
// the time, and one of them acts: the node that is lost may be that of a judge.
type FenceJudge struct {
	// Kubeconfig says which Kubernetes; empty in a pod, for the one around it.
	Kubeconfig string
	// Namespace is where the authority of the fence lies and keepers run, and where the
	// judges agree on the one that acts. Empty: the pod's own, else kube-system.
	Namespace string
}

// The lease by which judges agree. It is shorter than the judge waits for a node, so that
// a node which is lost with the acting judge costs no time. When two act for a while, no
// more comes of it than that more nodes may be fenced at once.
const (
	judgeLeaseDuration      = 3 * time.Second
	judgeLeaseRenewDeadline = 2 * time.Second
	judgeLeaseRetryPeriod   = 500 * time.Millisecond
)

// Run judges, and signs for the fence's members, until ctx ends.
func (j FenceJudge) Run(ctx context.Context) error {
	if j.Namespace == "" {
		j.Namespace = defaultLeaseNamespace(j.Kubeconfig)
	}
	client, err := impatientAccess(j.Kubeconfig, fenceJudgeName)
	if err != nil {
		return err
	}
	authority, err := identity.Load(ctx, client, j.Namespace, fenceAuthority)
	if err != nil {
		return ignoreEnd(ctx, err)
	}
	elector, err := j.elector()
	if err != nil {
		return err
	}
	judge := agent.Judge{
		Terms: fence.DefaultTerms(), Client: client, Leads: elector.IsLeader, Asker: impatientAsker(authority.JudgeTLS()),
		Reported: 12 * time.Second, // a kubelet looks every ten (nodeStatusUpdateFrequency), unless told otherwise
	}
	parts := newGroup(ctx)
	parts.run("judge", judge.Run)
	parts.run("authority of the fence", func(ctx context.Context) error {
		authority.Sign(ctx, client, fenceKeeperAccount(j.Namespace))
		return nil
	})
	parts.run("leases of nodes that are gone", func(ctx context.Context) error { return followNodes(ctx, client, forgetLeases(client)) })
	parts.run("agreement of the judges", func(ctx context.Context) error {
		wait.UntilWithContext(ctx, elector.Run, judgeLeaseRetryPeriod)
		return nil
	})
	return parts.Wait()
}

// elector tells whether this judge is the one that acts.
func (j FenceJudge) elector() (*leaderelection.LeaderElector, error) {
	access, err := accessTo(j.Kubeconfig, fenceJudgeName)
	if err != nil {
		return nil, err
	}
	lease, err := newLease(access, j.Namespace, fenceJudgeName, func(error) {}) // see judgeLeaseDuration
	if err != nil {
		return nil, err
	}
	return leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: lease, Name: fenceJudgeName, ReleaseOnCancel: true,
		LeaseDuration: judgeLeaseDuration, RenewDeadline: judgeLeaseRenewDeadline, RetryPeriod: judgeLeaseRetryPeriod,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) { klog.FromContext(ctx).Info("This judge acts") },
			OnStoppedLeading: func() {},
		},
	})
}
