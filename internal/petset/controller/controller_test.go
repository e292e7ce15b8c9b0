package controller

import (
	"os"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

func TestMain(m *testing.M) {
	// Failing on purpose is part of the tests; the log of it is not.
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

// TestController drives the controller through a real API server, without
// nodes: the test plays kubelet. Each subtest has a namespace of its own.
func TestController(t *testing.T) {
	config := startAPIServer(t)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	k := startKubelet(t, client)

	upstreams := newCluster(t, client, k)
	stopUpstream := upstreams.runUpstream()
	upstreams.makeUpstreamsSet()
	stopUpstream()
	before := upstreams.snapshot()

	startController(t, config)
	t.Run("take over from upstream", func(t *testing.T) {
		upstreams.T = t
		upstreams.takeOver(before)
	})

	t.Run("together", func(t *testing.T) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				test.run(newCluster(t, client, k))
			})
		}
	})
	t.Run("max unavailable", func(t *testing.T) { testMaxUnavailable(newCluster(t, client, k)) })
	t.Run("10 in order", func(t *testing.T) { testTenInOrder(newCluster(t, client, k)) })
	t.Run("500 parallel", func(t *testing.T) { testLargeParallel(newCluster(t, client, k)) })
}

var tests = []struct {
	name string
	run  func(*cluster)
}{
	{"create in order", testCreateInOrder},
	{"scale", testScale},
	{"order waits for ready", testOrderWaitsForReady},
	{"scaling in halts", testScaleInHalts},
	{"parallel", testParallel},
	{"ordinals start", testOrdinalsStart},
	{"min ready seconds", testMinReadySeconds},
	{"deleted set", testDeletedSet},
	{"refused pods", testInvalidPod},

	{"roll and roll back", testRollAndRollBack},
	{"partition", testPartition},
	{"on delete", testOnDelete},
	{"broken rollout", testBrokenRollout},
	{"parallel rollout", testParallelRollout},
	{"history limit", testHistoryLimit},

	{"deleted pod comes back", testDeletedPodComesBack},
	{"failed pod is replaced", testFailedPodIsReplaced},
	{"orphan is adopted", testOrphanIsAdopted},
	{"pod is released", testPodIsReleased},
	{"identity is repaired", testIdentityIsRepaired},
	{"set is made anew", testSetIsMadeAnew},
	{"revision collision", testRevisionCollision},

	{"retention", testRetention},
	{"condemned claim", testCondemnedClaim},
	{"missing claim", testMissingClaim},
	{"claims are kept", testClaimsAreKept},
}
