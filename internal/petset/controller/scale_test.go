package controller

import (
	"fmt"
	"time"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func testCreateInOrder(c *cluster) {
	c.create(webSet(3, withData))
	c.settled()
	c.expectStory("+web-0, ready web-0, +web-1, ready web-1, +web-2, ready web-2")
	c.expectEvent("SuccessfulCreate", "Create Claim data-web-1 Pod web-1 in "+c.sets.kind.Kind+" web success")
	c.expectEvent("SuccessfulCreate", "Create Pod web-1 in "+c.sets.kind.Kind+" web successful")

	pod, set := c.pod("web-1"), c.set()
	got := fmt.Sprint(pod.Labels, pod.Spec.Hostname, pod.Spec.Subdomain, pod.Spec.Volumes[0].Name, pod.Spec.Volumes[0].PersistentVolumeClaim.ClaimName)
	want := fmt.Sprint(map[string]string{"app": "web", "apps.kubernetes.io/pod-index": "1",
		"controller-revision-hash":           set.Status.UpdateRevision,
		"mainstay.dev/failover":              "Fenced",
		"statefulset.kubernetes.io/pod-name": "web-1"}, "web-1", "svc", "data", "data-web-1")
	if got != want {
		c.Errorf("web-1 is %s, want %s", got, want)
	}
	if !metav1.IsControlledBy(pod, set) {
		c.Errorf("web-1 has the owners %v", pod.OwnerReferences)
	}
	if claim := c.claim("data-web-1"); claim.Labels["app"] != "web" || claim.Labels["tier"] != "disk" || len(claim.OwnerReferences) != 0 {
		c.Errorf("the claim has labels %v and owners %v", claim.Labels, claim.OwnerReferences)
	}
}

func testScale(c *cluster) {
	c.create(webSet(1))
	c.settled()
	c.change(replicas(3))
	c.settled()
	c.change(replicas(1))
	c.settled()
	c.expectStory("+web-0, ready web-0, +web-1, ready web-1, +web-2, ready web-2, " +
		"deleting web-2, -web-2, deleting web-1, -web-1")
	c.change(replicas(0))
	c.settled()
	c.expectStory("deleting web-0, -web-0")
}

func testOrderWaitsForReady(c *cluster) {
	c.kubelet.hold(c.namespace, "web-1", "start")
	c.create(webSet(3))
	c.expectStory("+web-0, ready web-0, +web-1")
	c.never("web-2 was created before web-1 was ready", func() bool { return len(c.pods()) > 2 })
	c.expectStatus(2, 1, 1, 2, 2)
	c.kubelet.release(c.namespace, "web-1")
	c.expectStory("ready web-1, +web-2, ready web-2")
}

func testScaleInHalts(c *cluster) {
	c.create(webSet(3))
	c.settled()
	c.setReady("web-0", false)
	c.expectStatus(3, 2, 2, 3, 3)
	c.change(replicas(1))
	c.never("a pet went while another was unhealthy", func() bool { return len(c.pods()) < 3 })
	c.setReady("web-0", true)
	c.settled()
}

func testParallel(c *cluster) {
	c.kubelet.hold(c.namespace, "web-0", "start")
	c.create(webSet(5, parallel, withData))
	c.expectStatus(5, 4, 4, 5, 5)
	c.kubelet.release(c.namespace, "web-0")
	c.settled()
	c.kubelet.hold(c.namespace, "web-4", "stop")
	c.change(replicas(0))
	c.eventually("all but the slow pet to go", func() error {
		if n := len(c.pods()); n != 1 {
			return fmt.Errorf("there are %d", n)
		}
		return nil
	})
	c.kubelet.release(c.namespace, "web-4")
	c.settled()
}

func testLargeParallel(c *cluster) {
	const pets = 500
	start := time.Now()
	c.create(webSet(pets, parallel))
	c.eventually("500 pets to be created", func() error {
		if n := len(c.pods()); n != pets {
			return fmt.Errorf("there are %d", n)
		}
		return nil
	})
	c.Logf("500 pets created after %v", time.Since(start))
	c.settled()
	c.Logf("500 pets ready after %v", time.Since(start))
	c.change(replicas(0))
	c.settled()
	c.Logf("500 pets gone after %v", time.Since(start))
}

func testOrdinalsStart(c *cluster) {
	c.create(webSet(2, func(set *apps.StatefulSet) { set.Spec.Ordinals = &apps.StatefulSetOrdinals{Start: 3} }))
	c.settled()
	c.expectStory("+web-3, ready web-3, +web-4, ready web-4")
	c.change(func(set *apps.StatefulSet) { set.Spec.Ordinals.Start = 2 })
	c.settled()
	c.expectStory("+web-2, ready web-2, deleting web-4, -web-4")
}

func testMinReadySeconds(c *cluster) {
	c.create(webSet(2, func(set *apps.StatefulSet) { set.Spec.MinReadySeconds = 2 }))
	c.expectStatus(1, 1, 0, 1, 1)
	start := time.Now()
	c.settled()
	// The times of conditions are whole seconds: a pet ready at 0.9 s counts
	// from 0 s, so two pets take at least 2 seconds.
	if took := time.Since(start); took < 2*time.Second-100*time.Millisecond {
		c.Errorf("two pets became available in %v", took)
	}
}

func testDeletedSet(c *cluster) {
	c.create(webSet(2, func(set *apps.StatefulSet) { set.Finalizers = []string{"test.mainstay.dev/hold"} }))
	c.settled()
	c.story()
	c.must(c.sets.delete(c.ctx, "web", metav1.DeleteOptions{}))
	c.deletePod("web-1")
	c.expectStory("deleting web-1, -web-1")
	c.expectStatus(1, 1, 1, 1, 1)
	c.never("a pod was made for a set under deletion", func() bool { return len(c.pods()) != 1 })
	c.change(func(set *apps.StatefulSet) { set.Finalizers = nil })
}

func testInvalidPod(c *cluster) {
	// The API server accepts the template and refuses the pod: a quota does.
	_, err := c.client.CoreV1().ResourceQuotas(c.namespace).Create(c.ctx, &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "none"},
		Spec:       corev1.ResourceQuotaSpec{Hard: quantities("pods", "0")},
	}, metav1.CreateOptions{})
	c.must(err)
	c.eventually("the quota to count", func() error {
		quota, err := c.client.CoreV1().ResourceQuotas(c.namespace).Get(c.ctx, "none", metav1.GetOptions{})
		if err != nil {
			return err
		}
		quota.Status.Hard, quota.Status.Used = quota.Spec.Hard, quantities("pods", "0")
		_, err = c.client.CoreV1().ResourceQuotas(c.namespace).UpdateStatus(c.ctx, quota, metav1.UpdateOptions{})
		return err
	})
	c.create(webSet(3, parallel))
	c.expectEventLike("FailedCreate", "exceeded quota")
	c.must(c.client.CoreV1().ResourceQuotas(c.namespace).Delete(c.ctx, "none", metav1.DeleteOptions{}))
	c.settled()
}

// Each pet follows the one before it at once: nothing waits for a timer or a
// resync. Kubelet and API server take half a second for the ten.
func testTenInOrder(c *cluster) {
	start := time.Now()
	c.create(webSet(10, withData))
	c.settled()
	took := time.Since(start)
	c.Logf("ten ordered pets took %v", took)
	if took > 3*time.Second {
		c.Error("that is too long")
	}
}
