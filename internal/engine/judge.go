package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	certutil "k8s.io/client-go/util/cert"

	"github.com/mainstay-io/mainstay/internal/fence"
	"github.com/mainstay-io/mainstay/internal/fence/agent"
)

// runJudge watches the nodes' leases, once there are several, until ctx ends; while this
// server leads it declares lost nodes fenced.
func runJudge(ctx context.Context, paths Paths, leads func() bool) error {
	client, err := clientOf(paths, "judge")
	if err != nil {
		return err
	}
	authorities, err := certutil.NewPool(paths.pkiFile("ca.crt"))
	if err != nil {
		return err
	}
	watching, err := clientOf(paths, "machines")
	if err != nil {
		return err
	}
	if err := waitForMachines(ctx, watching); err != nil {
		return err
	}
	judge := agent.Judge{
		Terms: fence.DefaultTerms(), Client: client, Leads: leads, Reported: kubeletReported,
		Asker: impatientAsker(agent.ClientTLS(authorities, certificateOf(paths, "judge"))),
	}
	return judge.Run(ctx)
}

// kubeletReported: kubelet looks twice a second whether there is something to report
// (setKubeletConfiguration), once it has noticed that its connection to the server is of no use
// any more, and has another (reachServers).
const kubeletReported = 6 * time.Second

// forgetLeases removes the leases of nodes that were taken out of the cluster, once
// they are fenced: until then their machines may still run pets.
func forgetLeases(client kubernetes.Interface) func(context.Context, []*corev1.Node) error {
	return func(ctx context.Context, nodes []*corev1.Node) error {
		leases, err := client.CoordinationV1().Leases(agent.Namespace).List(ctx, metav1.ListOptions{ResourceVersion: "0"})
		if err != nil {
			return err
		}
		var failed []error
		for _, lease := range leases.Items {
			fenced := lease.Annotations[fence.StateAnnotation] == string(fence.Fenced)
			if !fenced || slices.ContainsFunc(nodes, func(n *corev1.Node) bool { return n.Name == lease.Name }) {
				continue
			}
			err := client.CoordinationV1().Leases(agent.Namespace).Delete(ctx, lease.Name, fence.DeleteOptions(&lease))
			if err != nil && !apierrors.IsNotFound(err) {
				failed = append(failed, err)
			}
		}
		return errors.Join(failed...)
	}
}
