package controller

import (
	"context"
	"fmt"

	apps "k8s.io/api/apps/v1"
	"k8s.io/client-go/informers"
	"k8s.io/kubernetes/pkg/controller/statefulset"
)

// runUpstream lets upstream's controller work in the test's namespace until
// the returned function is called.
func (c *cluster) runUpstream() (stop func()) {
	ctx, cancel := context.WithCancel(c.ctx)
	factory := informers.NewSharedInformerFactoryWithOptions(c.client, 0, informers.WithNamespace(c.namespace))
	controller := statefulset.NewStatefulSetController(ctx,
		factory.Core().V1().Pods(), factory.Apps().V1().StatefulSets(),
		factory.Core().V1().PersistentVolumeClaims(), factory.Apps().V1().ControllerRevisions(), c.client)
	factory.Start(ctx.Done())
	done := make(chan struct{})
	go func() { controller.Run(ctx, 1); close(done) }()
	return func() { cancel(); <-done; factory.Shutdown() }
}

// makeUpstreamsSet leaves a set as upstream's controller leaves it in the
// middle of its life: updated once, and half way through a second update.
func (c *cluster) makeUpstreamsSet() {
	c.create(webSet(3, withData, retention(remove, remove)))
	c.settled()
	c.change(image("web:2"))
	c.settled()
	c.change(func(set *apps.StatefulSet) { partition(1)(set); image("web:3")(set) })
	c.expectStatus(3, 3, 3, 1, 2)
}

// takeOver checks, with the controller under test running, that the set goes on
// without a restart, and that the update can be finished and rolled back.
func (c *cluster) takeOver(before string) {
	c.never("the set was changed by the change of controllers", func() bool {
		after := c.snapshot()
		if after != before {
			c.Logf("before:\n%s\nafter:\n%s", before, after)
		}
		return after != before
	})
	c.story()
	c.change(image("web:2"))
	c.settled()
	c.expectStory("deleting web-2, -web-2, +web-2, ready web-2, deleting web-1, -web-1, +web-1, ready web-1")
	if n := len(c.revisions()); n != 3 {
		c.Errorf("the rollback left %d revisions", n)
	}
}

// snapshot is all that a change of controllers must leave alone.
func (c *cluster) snapshot() string {
	status := c.set().Status
	text := fmt.Sprintln(status.String())
	for _, pod := range c.pods() {
		text += fmt.Sprintln(pod.Name, pod.UID, pod.ResourceVersion)
	}
	for _, revision := range c.revisions() {
		text += fmt.Sprintln(revision.Name, revision.Revision, revision.ResourceVersion)
	}
	for ordinal := range 3 {
		claim := c.claim(fmt.Sprint("data-web-", ordinal))
		text += fmt.Sprintln(claim.Name, claim.ResourceVersion)
	}
	return text
}
