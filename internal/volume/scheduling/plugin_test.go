package scheduling

import (
	"errors"
	"os"
	"testing"

	"github.com/go-logr/logr"
	storage "k8s.io/api/storage/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	"github.com/mainstay-io/mainstay/internal/volume"
)

func TestMain(m *testing.M) {
	// Failing on purpose is part of the test; the log of it is not.
	klog.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

// TestPlacing tells of a cluster from its first day: two nodes, each with a pool
// that may promise 800 IOPS, and pods whose claims want 400.
func TestPlacing(t *testing.T) {
	c := startCluster(t)
	c.node("a")
	c.node("b")
	c.class("plain", nil)
	c.class("400", map[string]string{"minIops": "400"})

	c.pod("early", "400", "")
	c.lands("early") // nobody knows of Pools: every node will do

	c.servePools()
	c.pool("a", 500)
	c.pool("b", 0)
	c.eventually("the plugin has seen both", func() error {
		if len(c.plugin.pools.GetStore().List()) != 2 {
			return errors.New("not yet")
		}
		return nil
	})

	c.pod("first", "400", "")
	if node := c.lands("first"); node != "b" {
		t.Errorf("300 IOPS are left on a, 800 on b; the pod with 400 went to %s", node)
	}
	c.pod("second", "400", "")
	if node := c.lands("second"); node != "b" {
		t.Errorf("the pod that fits exactly beside the first went to %s", node)
	}

	// Pool b still shows that it owes nothing.
	c.pod("third", "400", "")
	lacks := "pool default of node b: 0 IOPS left of 800 IOPS, 400 IOPS asked"
	c.podSays("third", lacks)
	c.claimSays("third", "InsufficientPerformance", lacks)
	c.claimSays("third", "InsufficientPerformance", "pool default of node a: 300 IOPS left of 800 IOPS, 400 IOPS asked")

	c.pod("modest", "plain", "")
	c.lands("modest") // a pod that asks for nothing finds its way

	c.pool("a", 0)
	if node := c.lands("third"); node != "a" {
		t.Errorf("room was made on a; the pod went to %s", node)
	}

	// The volumes appear: what was assumed is not counted twice.
	c.pool("a", 400, c.volumeOf("third"))
	c.pod("fourth", "400", "")
	if node := c.lands("fourth"); node != "a" {
		t.Errorf("400 IOPS are left on a; the pod went to %s", node)
	}

	c.pod("fifth", "plain", "fast")
	c.claimSays("fifth", "InsufficientPerformance", "there is no VolumeAttributesClass fast")
	_, err := c.client.StorageV1().VolumeAttributesClasses().Create(c.Context(), &storage.VolumeAttributesClass{
		ObjectMeta: meta.ObjectMeta{Name: "fast"}, DriverName: volume.DriverName, Parameters: map[string]string{"minIops": "100"},
	}, meta.CreateOptions{})
	c.must(err)
	c.claimSays("fifth", "InsufficientPerformance", "100 IOPS asked")
	c.pool("b", 500, c.volumeOf("first"), c.volumeOf("second"))
	if node := c.lands("fifth"); node != "b" {
		t.Errorf("room was made on b; the pod went to %s", node)
	}

	// Where both fit, the one with more left is taken.
	c.pool("a", 100, c.volumeOf("third"), c.volumeOf("fourth"))
	c.pool("b", 300, c.volumeOf("first"), c.volumeOf("second"), c.volumeOf("fifth"))
	c.eventually("the plugin has seen it", func() error {
		if asks := []ask{wants("v", 0, 1)}; c.plugin.judge("a", asks).left < c.plugin.judge("b", asks).left {
			return errors.New("not yet")
		}
		return nil
	})
	c.pod("sixth", "400", "")
	if node := c.lands("sixth"); node != "a" {
		t.Errorf("700 IOPS are left on a, 500 on b; the pod went to %s", node)
	}

	// What was assumed of a node that refuses is there for others.
	c.pod("seventh", "400", "")
	claim, node := c.chosen("seventh")
	if node != "b" {
		t.Errorf("300 IOPS are left on a, 500 on b; the pod was to go to %s", node)
	}
	c.pod("eighth", "400", "")
	c.claimSays("eighth", "InsufficientPerformance", "pool default of node b: 100 IOPS left")
	c.must(c.client.CoreV1().Pods("default").Delete(c.Context(), "seventh", meta.DeleteOptions{}))
	c.refuse(claim)
	if node := c.lands("eighth"); node != "b" {
		t.Errorf("500 IOPS are left on b again; the pod went to %s", node)
	}
	c.allBound()

	// A claim for which no pool has the space is told so, by the pools' names.
	c.tracked()
	c.space("a", "1023Mi")
	c.space("b", "600Mi")
	c.pod("large", "plain", "")
	lacks = "pool default of node a: 1023Mi of space left, 1Gi asked; pool default of node b: 600Mi of space left, 1Gi asked"
	c.claimSays("large", "InsufficientCapacity", lacks)
	c.podSays("large", "pool default of node b: 600Mi of space left, 1Gi asked")
	c.pod("fast-and-large", "400", "")
	c.claimSays("fast-and-large", "InsufficientCapacity", "1023Mi of space left, 1Gi asked")
	c.space("b", "2Gi")
	if node := c.lands("large"); node != "b" {
		t.Errorf("2 GiB are left on b; the pod went to %s", node)
	}
}
