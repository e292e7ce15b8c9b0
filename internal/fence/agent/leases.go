package agent

import (
	"context"
	"fmt"
	"time"

	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/mainstay-io/mainstay/internal/fence"
)

// Namespace holds the nodes' Leases of the fence, each with its node's name.
const Namespace = "mainstay-node-lease"

// Leases reads and writes them.
type Leases struct {
	Client kubernetes.Interface
	Terms  fence.Terms
}

// Read reads a node's Lease by quorum, as every read without a resourceVersion is.
func (l Leases) Read(ctx context.Context, node string) fence.Answer {
	return answered(l.Client.CoordinationV1().Leases(Namespace).Get(ctx, node, meta.GetOptions{}))
}

// Write creates or updates a Lease, with its Version as the precondition.
func (l Leases) Write(ctx context.Context, lease fence.Lease) fence.Answer {
	leases := l.Client.CoordinationV1().Leases(Namespace)
	object := &coordination.Lease{}
	lease.WriteTo(object, l.Terms, time.Now())
	if lease.Version == 0 {
		return answered(leases.Create(ctx, object, meta.CreateOptions{}))
	}
	return answered(leases.Update(ctx, object, meta.UpdateOptions{}))
}

// List reads all Leases by quorum. One that cannot be read fails it: nobody may take
// its node for one that has none.
func (l Leases) List(ctx context.Context) ([]fence.Lease, error) {
	list, err := l.Client.CoordinationV1().Leases(Namespace).List(ctx, meta.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("read the leases of all nodes: %w", err)
	}
	leases := make([]fence.Lease, 0, len(list.Items))
	for i := range list.Items {
		lease, err := fence.FromObject(&list.Items[i])
		if err != nil {
			return nil, err
		}
		leases = append(leases, lease)
	}
	return leases, nil
}

// answered says what an answer of the API tells a keeper. What is not sure is Failed.
func answered(object *coordination.Lease, err error) fence.Answer {
	switch {
	case apierrors.IsNotFound(err):
		return fence.Answer{Outcome: fence.Gone}
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return fence.Answer{Outcome: fence.Conflict}
	case err != nil:
		return fence.Answer{Outcome: fence.Failed}
	}
	lease, err := fence.FromObject(object)
	if err != nil {
		return fence.Answer{Outcome: fence.Failed}
	}
	return fence.Answer{Outcome: fence.Done, Lease: lease}
}

// addresses gives the address of each node, where the members listen.
func (l Leases) addresses(ctx context.Context) (map[string]string, error) {
	// From the API server's cache: an address that has changed since is asked again soon.
	nodes, err := l.Client.CoreV1().Nodes().List(ctx, meta.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return nil, fmt.Errorf("read the addresses of all nodes: %w", err)
	}
	of := map[string]string{}
	for _, node := range nodes.Items {
		for _, address := range node.Status.Addresses {
			if address.Type == core.NodeInternalIP && of[node.Name] == "" {
				of[node.Name] = address.Address
			}
		}
	}
	return of, nil
}
