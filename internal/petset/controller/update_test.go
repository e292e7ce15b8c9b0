package controller

import (
	"fmt"

	apps "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	featuregatetesting "k8s.io/component-base/featuregate/testing"
	"k8s.io/kubernetes/pkg/features"
	"k8s.io/utils/ptr"

	"github.com/mainstay-io/mainstay/internal/petset"
)

func testRollAndRollBack(c *cluster) {
	c.create(webSet(2))
	c.settled()
	first := c.set().Status.UpdateRevision
	c.story()
	c.change(image("web:2"))
	c.settled()
	c.expectStory("deleting web-1, -web-1, +web-1, ready web-1, deleting web-0, -web-0, +web-0, ready web-0")
	if c.set().Status.UpdateRevision == first {
		c.Error("another template has the same revision")
	}
	c.change(image("web:1"))
	c.settled()
	if c.set().Status.UpdateRevision != first || len(c.revisions()) != 2 {
		c.Errorf("the rollback made %d revisions and went to %s, not to %s", len(c.revisions()), c.set().Status.UpdateRevision, first)
	}
	for _, revision := range c.revisions() {
		if (revision.Name == first) != (revision.Revision == 3) {
			c.Errorf("revision %s has number %d", revision.Name, revision.Revision)
		}
	}
}

func testPartition(c *cluster) {
	c.create(webSet(3, partition(2)))
	c.settled()
	first := c.set().Status.CurrentRevision
	c.story()
	c.change(image("web:2"))
	c.expectStory("deleting web-2, -web-2, +web-2, ready web-2")
	c.expectStatus(3, 3, 3, 2, 1)
	c.deletePod("web-0")
	c.expectStory("deleting web-0, -web-0, +web-0, ready web-0")
	if got := c.pod("web-0").Labels[apps.StatefulSetRevisionLabel]; got != first {
		c.Errorf("a pet below the partition came back as %s, want %s", got, first)
	}
	c.change(partition(0))
	c.settled()
	c.expectStory("deleting web-1, -web-1, +web-1, ready web-1, deleting web-0, -web-0, +web-0, ready web-0")
}

func testOnDelete(c *cluster) {
	c.create(webSet(2, onDelete))
	c.expectStatus(2, 2, 2, 2, 2)
	c.story()
	c.change(image("web:2"))
	c.expectStatus(2, 2, 2, 2, 0)
	c.never("a pod was deleted", func() bool { return c.story() != "" })
	c.deletePod("web-0")
	c.expectStory("deleting web-0, -web-0, +web-0, ready web-0")
	c.expectStatus(2, 2, 2, 1, 1)
}

// A broken rollout of an ordered StatefulSet waits for a human
// (kubernetes#67250), that of a PetSet does not.
func testBrokenRollout(c *cluster) {
	c.create(webSet(2))
	c.settled()
	c.story()
	c.kubelet.hold(c.namespace, "web-1", "start")
	c.change(image("broken:1"))
	c.expectStory("deleting web-1, -web-1, +web-1")
	c.change(image("web:1"))
	if c.sets.kind == petset.PetSetKind {
		c.expectStory("deleting web-1, -web-1, +web-1")
		c.kubelet.release(c.namespace, "web-1")
		c.settled()
		return
	}
	c.never("the broken pod was replaced", func() bool { return c.pod("web-1").DeletionTimestamp != nil })
	c.deletePod("web-1")
	c.kubelet.release(c.namespace, "web-1")
	c.settled()
}

func testParallelRollout(c *cluster) {
	c.create(webSet(3, parallel))
	c.settled()
	c.story()
	c.change(image("web:2"))
	c.settled()
	c.expectStory("deleting web-2, -web-2, +web-2, ready web-2, deleting web-1, -web-1, +web-1, ready web-1, " +
		"deleting web-0, -web-0, +web-0, ready web-0")
}

func testHistoryLimit(c *cluster) {
	c.create(webSet(1, func(set *apps.StatefulSet) { set.Spec.RevisionHistoryLimit = ptr.To[int32](1) }))
	for version := range 4 {
		c.change(image(fmt.Sprint("web:", version)))
		c.settled()
	}
	c.eventually("the old revisions to go", func() error {
		if n := len(c.revisions()); n != 2 {
			return fmt.Errorf("there are %d", n)
		}
		return nil
	})
}

// The field is kept by the API server only with its feature gate, which is one
// for the whole process: this test runs alone.
func testMaxUnavailable(c *cluster) {
	featuregatetesting.SetFeatureGateDuringTest(c.T, utilfeature.DefaultFeatureGate, features.MaxUnavailableStatefulSet, true)
	c.create(webSet(4, parallel, func(set *apps.StatefulSet) {
		set.Spec.UpdateStrategy.Type = apps.RollingUpdateStatefulSetStrategyType
		set.Spec.UpdateStrategy.RollingUpdate = &apps.RollingUpdateStatefulSetStrategy{MaxUnavailable: ptr.To(intstr.FromString("50%"))}
	}))
	c.settled()
	for ordinal := range 4 {
		c.kubelet.hold(c.namespace, fmt.Sprint("web-", ordinal), "start")
	}
	c.change(image("web:2"))
	c.expectStatus(4, 2, 2, 2, 2)
	c.never("more than two are unavailable", func() bool { return c.set().Status.ReadyReplicas < 2 })
	for ordinal := range 4 {
		c.kubelet.release(c.namespace, fmt.Sprint("web-", ordinal))
	}
	c.settled()
}
