package controller

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// addNode makes a node of the test's own.
func (c *cluster) addNode(labels map[string]string) (name string) {
	c.Helper()
	node, err := c.client.CoreV1().Nodes().Create(c.ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{GenerateName: "node-", Labels: labels}}, metav1.CreateOptions{})
	c.must(err)
	return node.Name
}

// fence does to a node what the judge does, or takes it back.
func (c *cluster) fence(node string, fenced bool) {
	c.Helper()
	taints := []corev1.Taint{}
	if fenced {
		taints = append(taints, corev1.Taint{Key: v1alpha1.FencedTaint, Effect: corev1.TaintEffectNoSchedule})
	}
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"taints": taints}})
	c.must(err)
	_, err = c.client.CoreV1().Nodes().Patch(c.ctx, node, types.MergePatchType, patch, metav1.PatchOptions{})
	c.must(err)
}

// take deletes a pod as the judge does.
func (c *cluster) take(pod string) {
	c.Helper()
	c.must(c.client.CoreV1().Pods(c.namespace).Delete(c.ctx, pod, metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}))
}

// testFencedNode: two of three pets were on a node that is fenced, and the third is
// not ready without them. Both start again, though neither they nor it are ready.
func testFencedNode(c *cluster) {
	node := c.addNode(nil)
	for _, pod := range []string{"web-0", "web-2"} {
		c.kubelet.place(c.namespace, pod, node)
	}
	c.create(webSet(3))
	c.settled()
	former := map[string]types.UID{}
	for _, pod := range []string{"web-0", "web-2"} {
		former[pod] = c.pod(pod).UID
		c.kubelet.place(c.namespace, pod, "")
		c.kubelet.hold(c.namespace, pod, "start")
	}
	c.setReady("web-1", false)
	c.fence(node, true)
	for pod := range former {
		c.take(pod)
	}
	for pod, uid := range former {
		c.eventually("another "+pod, func() error {
			now, err := c.client.CoreV1().Pods(c.namespace).Get(c.ctx, pod, metav1.GetOptions{})
			if err == nil && (now.UID == uid || now.Spec.NodeName == node) {
				return fmt.Errorf("it is %s, on %s", now.UID, now.Spec.NodeName)
			}
			return err
		})
		c.kubelet.release(c.namespace, pod)
	}
	c.setReady("web-1", true)
	c.settled()
}
