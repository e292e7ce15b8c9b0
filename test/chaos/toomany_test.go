package chaos

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/fence"
	"github.com/mainstay-io/mainstay/test/hosts"
)

// tryTooMany loses more than half of the machines at once: nobody is fenced, for as
// well it may be the judge who sees nothing. They come back, and the pet is there.
func (c *cluster) tryTooMany(t *testing.T) {
	before, on := c.pet(t, petPod)
	for _, h := range c.nodes {
		c.waitMember(t, h)
	}
	must(t, os.Truncate(c.beats, 0)) // the pet appends
	together(c.nodes, func(h *hosts.Host) {
		if err := h.Virtual.PowerOff(); err != nil {
			t.Error(err)
		}
	})
	for lost := time.Now(); time.Since(lost) < 2*fence.DefaultTerms().Wait; time.Sleep(100 * time.Millisecond) {
		for _, h := range c.nodes {
			if lease, err := c.lease(t.Context(), h.Name); err != nil || lease.State != fence.Open {
				t.Fatalf("the lease of %s is %s: %v", h.Name, lease.State, err)
			}
		}
	}
	c.waitHeld(t, core.ConditionTrue)
	// Once one is back, only the other is missing, and that one is fenced.
	powerOn(t, c, on)
	c.waitMember(t, on)
	for _, h := range c.nodes {
		if h != on {
			powerOn(t, c, h)
		}
	}
	for _, h := range c.nodes {
		c.waitMember(t, h)
	}
	c.waitHeld(t, core.ConditionFalse)
	if after, _ := c.pet(t, petPod); after.UID != before.UID {
		t.Error("the pet was started elsewhere")
	}
	hosts.Eventually(t, time.Minute, func(context.Context) error { _, err := c.client.since(now() - time.Second); return err })
	lives, err := readLives(c.beats)
	must(t, err)
	for _, two := range overlaps(lives) {
		t.Error(two)
	}
	c.client.check(t)
}

// waitHeld waits until all nodes tell whether it is for their number that nobody is fenced.
func (c *cluster) waitHeld(t *testing.T, wanted core.ConditionStatus) {
	t.Helper()
	hosts.Eventually(t, 10*time.Second, func(ctx context.Context) error {
		for _, h := range c.nodes {
			node, err := c.api.CoreV1().Nodes().Get(ctx, h.Name, meta.GetOptions{})
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(node.Status.Conditions, func(c core.NodeCondition) bool {
				return c.Type == v1alpha1.NodeFenceHeld && c.Status == wanted
			}) {
				return fmt.Errorf("%s has no condition %s that is %s: %v", h.Name, v1alpha1.NodeFenceHeld, wanted, node.Status.Conditions)
			}
		}
		return nil
	})
}
