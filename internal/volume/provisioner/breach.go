package provisioner

import (
	"fmt"
	"slices"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

// The reasons of the condition PerformanceBreached, and of its events.
const (
	reasonBreached = "PromiseBroken"
	reasonKept     = "PromiseKept"
	reasonUnused   = "NotInUse"
)

// nextBreach gives the status of a claim whose volume, of that pool, does what p
// says; nil when no pod uses it. The old status is not changed. The first rule
// that matches wins.
//
// A driver that starts again knows nothing of before: what it was told then
// stays until it has looked for long enough.
func nextBreach(s core.PersistentVolumeClaimStatus, p *qos.Performance, pool string, now meta.Time) core.PersistentVolumeClaimStatus {
	i := slices.IndexFunc(s.Conditions, aboutBreach)
	told := i >= 0 && s.Conditions[i].Status == core.ConditionTrue
	switch {
	case p != nil && p.Breached && told:
		return s // the rates of when it began stay to be read
	case p != nil && p.Breached:
		return withBreach(s, core.ConditionTrue, reasonBreached, describeBreach(*p, pool), now)
	case i >= 0 && p != nil && !p.Promised.Guaranteed():
		return withoutBreach(s)
	case told && p == nil:
		return withBreach(s, core.ConditionFalse, reasonUnused, "No pod uses the volume any more.", now)
	case told && p.Settled:
		return withBreach(s, core.ConditionFalse, reasonKept, "The volume gets what it was promised, or does not ask for it.", now)
	}
	return s
}

func describeBreach(p qos.Performance, pool string) string {
	achieved := qos.Parameters{MinIOPS: int64(p.Achieved.IOPS), MinThroughput: qos.WholeMebi(int64(p.Achieved.Throughput))}
	return fmt.Sprintf("Promised %s; got %s in ten seconds of which it used all, from %s. "+
		"The pool is slower than it was measured, or something other than its volumes uses its disk. To promise less from now on, run `mainstay pool probe` there again.",
		p.Promised.Minima(), achieved.Minima(), pool)
}

func aboutBreach(c core.PersistentVolumeClaimCondition) bool {
	return c.Type == v1alpha1.PerformanceBreached
}

func withoutBreach(old core.PersistentVolumeClaimStatus) core.PersistentVolumeClaimStatus {
	s := *old.DeepCopy()
	s.Conditions = slices.DeleteFunc(s.Conditions, aboutBreach)
	return s
}

func withBreach(old core.PersistentVolumeClaimStatus, is core.ConditionStatus, reason, message string, now meta.Time) core.PersistentVolumeClaimStatus {
	s := withoutBreach(old)
	s.Conditions = append(s.Conditions, core.PersistentVolumeClaimCondition{
		Type: v1alpha1.PerformanceBreached, Status: is, Reason: reason, Message: message, LastTransitionTime: now,
	})
	return s
}
