package controller

import (
	"fmt"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func testDeletedPodComesBack(c *cluster) {
	c.create(webSet(2, withData))
	c.settled()
	c.story()
	before := c.pod("web-0")
	c.kubelet.hold(c.namespace, "web-0", "stop")
	c.deletePod("web-0")
	c.expectStory("deleting web-0")
	c.never("a second pod of one identity", func() bool { return len(c.pods()) != 2 })
	c.kubelet.release(c.namespace, "web-0")
	c.settled()
	c.expectStory("-web-0, +web-0, ready web-0")
	after := c.pod("web-0")
	if after.UID == before.UID || after.Spec.Volumes[0].PersistentVolumeClaim.ClaimName != "data-web-0" {
		c.Errorf("web-0 came back as %s with %v", after.UID, after.Spec.Volumes)
	}
}

func testFailedPodIsReplaced(c *cluster) {
	c.create(webSet(2))
	c.settled()
	for _, phase := range []corev1.PodPhase{corev1.PodFailed, corev1.PodSucceeded} {
		c.story()
		c.must(c.kubelet.setPhase(c.ctx, c.pod("web-1"), phase))
		c.expectStory("+web-1, deleting web-1, -web-1, +web-1, ready web-1")
	}
	c.expectEvent("RecreatingFailedPod", c.sets.kind.Kind+" "+c.namespace+"/web is recreating failed Pod web-1")
}

func testOrphanIsAdopted(c *cluster) {
	orphan := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web-0", Labels: webLabels}, Spec: webSet(1).Spec.Template.Spec}
	_, err := c.client.CoreV1().Pods(c.namespace).Create(c.ctx, orphan, metav1.CreateOptions{})
	c.must(err)
	set := c.create(webSet(1, onDelete))
	c.eventually("the adoption", func() error {
		if pod := c.pod("web-0"); !metav1.IsControlledBy(pod, set) || pod.Labels[apps.StatefulSetPodNameLabel] != "web-0" {
			return fmt.Errorf("web-0 has owners %v and labels %v", pod.OwnerReferences, pod.Labels)
		}
		return nil
	})
}

func testPodIsReleased(c *cluster) {
	set := c.create(webSet(2))
	c.settled()
	c.patchPod("web-1", `{"metadata":{"labels":{"app":"debugged"}}}`)
	c.eventually("the release", func() error {
		if pod := c.pod("web-1"); metav1.IsControlledBy(pod, set) {
			return fmt.Errorf("web-1 is still the set's")
		}
		return nil
	})
	c.expectStatus(1, 1, 1, 1, 1)
	c.expectEventLike("FailedCreate", "already exists")
	c.patchPod("web-1", `{"metadata":{"labels":{"app":"web"}}}`)
	c.settled()
}

func testIdentityIsRepaired(c *cluster) {
	c.create(webSet(1))
	c.settled()
	c.patchPod("web-0", `{"metadata":{"labels":{"statefulset.kubernetes.io/pod-name":"other"}}}`)
	c.eventually("the label to be put right", func() error {
		if got := c.pod("web-0").Labels[apps.StatefulSetPodNameLabel]; got != "web-0" {
			return fmt.Errorf("it is %q", got)
		}
		return nil
	})
	c.expectEvent("SuccessfulUpdate", "Update Pod web-0 in "+c.sets.kind.Kind+" web successful")
}

// A set that was deleted with its pods left behind finds them again.
func testSetIsMadeAnew(c *cluster) {
	c.create(webSet(2, withData))
	c.settled()
	before := c.pods()
	orphan := metav1.DeletePropagationOrphan
	c.must(c.sets.delete(c.ctx, "web", metav1.DeleteOptions{PropagationPolicy: &orphan}))
	c.playGarbageCollector()
	c.story()
	set := c.create(webSet(2, withData))
	c.settled()
	for _, pod := range before {
		if now := c.pod(pod.Name); now.UID != pod.UID || !metav1.IsControlledBy(now, set) {
			c.Errorf("%s was not adopted as it was", pod.Name)
		}
	}
	if revisions := c.revisions(); len(revisions) != 1 || !metav1.IsControlledBy(&revisions[0], set) {
		c.Errorf("the revision was not adopted: %v", revisions)
	}
}

// playGarbageCollector does what orphaning asks for: the owner is taken off
// its dependents, then it goes.
func (c *cluster) playGarbageCollector() {
	c.Helper()
	c.eventually("the set to be deleted", func() error {
		if c.set().DeletionTimestamp == nil {
			return fmt.Errorf("it is not")
		}
		return nil
	})
	const noOwner = `{"metadata":{"ownerReferences":null}}`
	for _, pod := range c.pods() {
		c.patchPod(pod.Name, noOwner)
	}
	for _, revision := range c.revisions() {
		_, err := c.client.AppsV1().ControllerRevisions(c.namespace).Patch(c.ctx, revision.Name, types.MergePatchType, []byte(noOwner), metav1.PatchOptions{})
		c.must(err)
	}
	c.change(func(set *apps.StatefulSet) { set.Finalizers = nil })
}

// Two templates whose revisions get the same name.
func testRevisionCollision(c *cluster) {
	probe := c.create(webSet(0))
	c.settled()
	name := c.set().Status.UpdateRevision
	c.must(c.sets.delete(c.ctx, probe.Name, metav1.DeleteOptions{}))
	revision, err := c.client.AppsV1().ControllerRevisions(c.namespace).Get(c.ctx, name, metav1.GetOptions{})
	c.must(err)
	squatter := &apps.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Name: name}, Revision: 1}
	squatter.Data.Raw = []byte(`{"data":"of somebody else"}`)
	c.eventually("the name to be taken", func() error { // the deleted set may yet be in the controller's cache, and make it again
		_ = c.client.AppsV1().ControllerRevisions(c.namespace).Delete(c.ctx, name, metav1.DeleteOptions{})
		_, err = c.client.AppsV1().ControllerRevisions(c.namespace).Create(c.ctx, squatter, metav1.CreateOptions{})
		return err
	})

	c.create(webSet(1))
	c.settled()
	set := c.set()
	if set.Status.CollisionCount == nil || *set.Status.CollisionCount != 1 || set.Status.UpdateRevision == revision.Name {
		c.Errorf("collisions %v, revision %s", set.Status.CollisionCount, set.Status.UpdateRevision)
	}
}
