package agent

import (
	"context"
	"errors"
	"fmt"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// freeLeaders takes from a fenced node the Leases by which its parts lead, for what is
// to be done next may be their work: to attach a volume elsewhere, say. They last for
// half a minute, and nobody else may begin before.
//
// That is right for the same reason as taking its pets: a part that leads begins
// nothing when its node's lease has run out, and that was before the node was fenced.
// If the node has a new one by now, its part asks for the Lease like any other.
func (j *Judge) freeLeaders(ctx context.Context, node string) error {
	leases := j.Client.CoordinationV1().Leases(meta.NamespaceSystem)
	led, err := leases.List(ctx, meta.ListOptions{LabelSelector: v1alpha1.LeaderLabel + "=" + v1alpha1.LeaderNode, ResourceVersion: "0"})
	if err != nil {
		return fmt.Errorf("read what node %s leads: %w", node, err)
	}
	var failed []error
	for i := range led.Items {
		lease := &led.Items[i]
		if lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity != node {
			continue
		}
		// As a leader does that ends. The resourceVersion is the precondition: it may
		// be another's by now.
		lease.Spec.HolderIdentity = nil
		_, err := leases.Update(ctx, lease, meta.UpdateOptions{})
		failed = append(failed, unlessPast(err))
	}
	return errors.Join(failed...)
}
