package provisioner

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/record"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/volume/qos"
	"github.com/mainstay-io/mainstay/internal/volume/volumetest"
)

var (
	promised = qos.Parameters{MinIOPS: 1000, MinThroughput: 40 << 20}
	broken   = qos.Performance{Promised: promised, Achieved: qos.Flow{IOPS: 412.7, Throughput: 3_400_000}, Breached: true}
	fine     = qos.Performance{Promised: promised, Achieved: qos.Flow{IOPS: 2000, Throughput: 99 << 20}, Settled: true}
)

func TestNextBreach(t *testing.T) {
	condition := func(is core.ConditionStatus, reason string) []core.PersistentVolumeClaimCondition {
		return []core.PersistentVolumeClaimCondition{
			{Type: core.PersistentVolumeClaimFileSystemResizePending, Status: core.ConditionTrue},
			{Type: v1alpha1.PerformanceBreached, Status: is, Reason: reason},
		}
	}
	early := fine
	early.Settled = false
	for _, c := range []struct {
		why    string
		before []core.PersistentVolumeClaimCondition
		p      *qos.Performance
		status core.ConditionStatus // empty: there is none
		reason string
	}{
		{"nothing to tell", nil, &fine, "", ""},
		{"nothing to tell of one that nobody uses", nil, nil, "", ""},
		{"it begins", condition(core.ConditionFalse, reasonKept), &broken, core.ConditionTrue, reasonBreached},
		{"it goes on", condition(core.ConditionTrue, "told"), &broken, core.ConditionTrue, "told"},
		{"it is over", condition(core.ConditionTrue, reasonBreached), &fine, core.ConditionFalse, reasonKept},
		{"it is over, told already", condition(core.ConditionFalse, "told"), &fine, core.ConditionFalse, "told"},
		{"too early to tell, after a restart", condition(core.ConditionTrue, "told"), &early, core.ConditionTrue, "told"},
		{"nobody uses it any more", condition(core.ConditionTrue, reasonBreached), nil, core.ConditionFalse, reasonUnused},
		{"nothing is promised any more", condition(core.ConditionTrue, reasonBreached), &qos.Performance{}, "", ""},
	} {
		before := core.PersistentVolumeClaimStatus{Phase: core.ClaimBound, Conditions: c.before}
		kept := before.DeepCopy()
		after := nextBreach(before, c.p, "pool default of node node-a", meta.Now())
		if got := conditionOf(after, v1alpha1.PerformanceBreached); got.Status != c.status || got.Reason != c.reason {
			t.Errorf("%s: %+v", c.why, got)
		}
		if !reflect.DeepEqual(&before, kept) {
			t.Errorf("%s: changed the status that it was given", c.why)
		}
		if c.before != nil && (len(after.Conditions) == 0 || after.Conditions[0].Type != core.PersistentVolumeClaimFileSystemResizePending) {
			t.Errorf("%s: what others say is gone: %+v", c.why, after.Conditions)
		}
	}
}

// A claim says by how much its promise is broken, until it is kept, and what is wrong
// with its volume; each change is told once.
func TestClaimSaysWhatIsWrong(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	c := startCluster(t, storage.VolumeBindingWaitForFirstConsumer)
	claim := c.claim(t, "data", "8Mi", thisNode)
	volumetest.Eventually(t, "the claim has a volume", func() bool { return c.volumeOf(claim) != nil })
	factory := informers.NewSharedInformerFactory(c, 0)
	var now *qos.Performance
	known := true
	var ill error
	events := record.NewFakeRecorder(10)
	teller := &teller{
		client: c, nodeName: thisNode, claims: factory.Core().V1().PersistentVolumeClaims().Lister(), volumes: factory.Core().V1().PersistentVolumes().Lister(),
		performance: func(string) (*qos.Performance, bool) { return now, known },
		health:      func() func(string) error { return func(string) error { return ill } }, events: events,
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	claimNow := func() core.PersistentVolumeClaimStatus {
		claim, err := c.CoreV1().PersistentVolumeClaims("default").Get(ctx, "data", meta.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return claim.Status
	}
	told := func() core.PersistentVolumeClaimCondition {
		return conditionOf(claimNow(), v1alpha1.PerformanceBreached)
	}
	// Twice each, the second time when the caches know of the first.
	tell := func(p qos.Performance) (condition core.PersistentVolumeClaimCondition) {
		t.Helper()
		now, known = &p, true
		teller.tellAll(ctx, meta.Now())
		condition = told()
		volumetest.Eventually(t, "the cache knows", func() bool {
			cached, err := teller.claims.PersistentVolumeClaims("default").Get("data")
			return err == nil && reflect.DeepEqual(cached.Status.Conditions, claimNow().Conditions)
		})
		teller.tellAll(ctx, meta.Now())
		return condition
	}
	if got := tell(fine); got != (core.PersistentVolumeClaimCondition{}) {
		t.Errorf("a promise that is kept: %+v", got)
	}
	if got := tell(broken); !strings.HasPrefix(got.Message, "Promised 1000 IOPS and 40Mi a second; got 412 IOPS and 3Mi a second in ten seconds") || !strings.Contains(got.Message, "pool default of node "+thisNode) {
		t.Errorf("a promise that is broken: %+v", got)
	}
	now, known = nil, false
	teller.tellAll(ctx, meta.Now())
	if got := told(); got.Status != core.ConditionTrue {
		t.Errorf("while nobody knows: %+v", got)
	}
	if got := tell(fine); got.Status != core.ConditionFalse {
		t.Errorf("kept again: %+v", got)
	}
	ill = errors.New("its image is gone")
	if tell(fine); conditionOf(claimNow(), v1alpha1.VolumeAbnormal).Status != core.ConditionTrue {
		t.Errorf("a volume whose image is gone: %+v", claimNow().Conditions)
	}
	for _, want := range []string{"Warning PromiseBroken", "Normal PromiseKept", "Warning VolumeConditionAbnormal its image is gone"} {
		if got := <-events.Events; !strings.HasPrefix(got, want) {
			t.Errorf("event %q, expected %s", got, want)
		}
	}
	if len(events.Events) > 0 {
		t.Errorf("one more event: %s", <-events.Events)
	}
}
