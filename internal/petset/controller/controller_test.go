package controller

import (
	"os"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/mainstay-io/mainstay/internal/petset"
	"github.com/mainstay-io/mainstay/test/apiserver"
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
	config := apiserver.Start(t)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	definePetSets(t, config)
	defineSnapshots(t, config)
	k := startKubelet(t, client)
	inNamespace := func(t *testing.T, kind schema.GroupVersionKind) *cluster {
		return newCluster(t, client, objects, k, kind)
	}

	upstreams := inNamespace(t, petset.StatefulSetKind)
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
		for _, kind := range []schema.GroupVersionKind{petset.StatefulSetKind, petset.PetSetKind} {
			for _, test := range tests {
				t.Run(kind.Kind+" "+test.name, func(t *testing.T) {
					t.Parallel()
					test.run(inNamespace(t, kind))
				})
			}
		}
	})
	t.Run("PetSet", func(t *testing.T) {
		testPetSets(t, func(t *testing.T) *cluster { return inNamespace(t, petset.PetSetKind) })
	})
	t.Run("max unavailable", func(t *testing.T) { testMaxUnavailable(inNamespace(t, petset.StatefulSetKind)) })
	t.Run("10 in order", func(t *testing.T) { testTenInOrder(inNamespace(t, petset.StatefulSetKind)) })
	t.Run("500 parallel", func(t *testing.T) { testLargeParallel(inNamespace(t, petset.StatefulSetKind)) })
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
	{"fenced node", testFencedNode},
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
