package controller

import (
	"fmt"

	apps "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	retain = apps.RetainPersistentVolumeClaimRetentionPolicyType
	remove = apps.DeletePersistentVolumeClaimRetentionPolicyType
)

// The policy is followed as it stands at any time, by owner references.
func testRetention(c *cluster) {
	set := c.sets.kind.Kind + "/web"
	c.create(webSet(2, withData, retention(retain, remove)))
	c.settled()
	c.expectOwners("data-web-0", set)
	c.expectOwners("data-web-1", set)

	c.change(retention(remove, retain))
	c.expectOwners("data-web-0", "")
	c.kubelet.hold(c.namespace, "web-1", "stop")
	c.change(replicas(1))
	c.expectOwners("data-web-1", "Pod/web-1")
	// Scaled out again before the pod is gone: the data is wanted again.
	c.change(replicas(2))
	c.expectOwners("data-web-1", "")
	c.kubelet.release(c.namespace, "web-1")
	c.settled()

	c.change(retention(remove, remove))
	c.expectOwners("data-web-1", set)
	c.change(retention(retain, retain))
	c.expectOwners("data-web-0", "")
	c.expectOwners("data-web-1", "")
}

// What garbage collection is about to take must not be mounted again.
func testCondemnedClaim(c *cluster) {
	c.create(webSet(2, withData, retention(remove, retain)))
	c.settled()
	c.change(replicas(1))
	c.settled()
	c.expectOwners("data-web-1", "Pod/web-1")
	c.story()
	c.change(replicas(2))
	c.never("a pod was created upon a condemned claim", func() bool { return len(c.pods()) != 1 })
	before := c.claim("data-web-1").UID
	c.deleteClaim("data-web-1") // as garbage collection does
	c.settled()
	if c.claim("data-web-1").UID == before {
		c.Error("the claim is the old one")
	}
}

func testMissingClaim(c *cluster) {
	c.kubelet.hold(c.namespace, "web-0", "start")
	c.create(webSet(1, withData))
	c.expectStory("+web-0")
	before := c.claim("data-web-0").UID
	c.deleteClaim("data-web-0")
	c.eventually("the claim to come back", func() error {
		claim, err := c.client.CoreV1().PersistentVolumeClaims(c.namespace).Get(c.ctx, "data-web-0", metav1.GetOptions{})
		if err == nil && claim.UID == before {
			err = fmt.Errorf("it is the old one")
		}
		return err
	})
	c.kubelet.release(c.namespace, "web-0")
	c.settled()
}

func testClaimsAreKept(c *cluster) {
	c.create(webSet(2, withData))
	c.settled()
	before := c.claim("data-web-1").UID
	c.change(replicas(1))
	c.settled()
	c.change(replicas(2))
	c.settled()
	if c.claim("data-web-1").UID != before {
		c.Error("the claim is another one")
	}
}

func (c *cluster) expectOwners(claim, want string) {
	c.Helper()
	c.eventually(fmt.Sprintf("the owner %q of %s", want, claim), func() error {
		got := ""
		for _, owner := range c.claim(claim).OwnerReferences {
			got += owner.Kind + "/" + owner.Name
			if owner.Controller == nil || !*owner.Controller {
				return fmt.Errorf("%s does not control", got)
			}
		}
		if got != want {
			return fmt.Errorf("it is %q", got)
		}
		return nil
	})
}

// deleteClaim deletes a claim past the finalizer that protects it.
func (c *cluster) deleteClaim(name string) {
	c.Helper()
	claims := c.client.CoreV1().PersistentVolumeClaims(c.namespace)
	_, err := claims.Patch(c.ctx, name, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	c.must(err)
	c.must(claims.Delete(c.ctx, name, metav1.DeleteOptions{}))
}
