package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/internal/fence"
	"github.com/mainstay-io/mainstay/internal/fence/agent"
	"github.com/mainstay-io/mainstay/test/hosts"
	"github.com/mainstay-io/mainstay/test/hosts/network"
)

// TestLostEarly: a machine whose power is cut a moment after it has joined, before it can
// know of the others' leases, is fenced like any other.
func TestLostEarly(t *testing.T) {
	n := hosts.NewNetwork(t, 13, network.Options{Hosts: 2})
	server, lost := n.Hosts[0], n.Hosts[1]
	server.Up(t)
	lost.Join(t, server.Token(t))
	leases := server.Client(t).CoordinationV1().Leases(agent.Namespace)
	hosts.Eventually(t, 5*time.Second, func(ctx context.Context) error {
		_, err := leases.Get(ctx, lost.Name, metav1.GetOptions{})
		return err
	})
	if err := lost.Virtual.PowerOff(); err != nil {
		t.Fatal(err)
	}
	hosts.Eventually(t, 20*time.Second, func(ctx context.Context) error {
		lease, err := leases.Get(ctx, lost.Name, metav1.GetOptions{})
		if err == nil && lease.Annotations[fence.StateAnnotation] != string(fence.Fenced) {
			err = fmt.Errorf("its lease: %v", lease.Annotations)
		}
		return err
	})
}
