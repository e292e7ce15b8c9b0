package provisioner

import (
	"fmt"

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
	is := conditionOf(s, v1alpha1.PerformanceBreached).Status
	told := is == core.ConditionTrue
	switch {
	case p != nil && p.Breached && told:
		return s // the rates of when it began stay to be read
	case p != nil && p.Breached:
		return withCondition(s, v1alpha1.PerformanceBreached, core.ConditionTrue, reasonBreached, describeBreach(*p, pool), now)
	case is != "" && p != nil && !p.Promised.Guaranteed():
		return withoutCondition(s, v1alpha1.PerformanceBreached)
	case told && p == nil:
		return withCondition(s, v1alpha1.PerformanceBreached, core.ConditionFalse, reasonUnused, "No pod uses the volume any more.", now)
	case told && p.Settled:
		return withCondition(s, v1alpha1.PerformanceBreached, core.ConditionFalse, reasonKept, "The volume gets what it was promised, or does not ask for it.", now)
	}
	return s
}

func describeBreach(p qos.Performance, pool string) string {
	achieved := qos.Parameters{MinIOPS: int64(p.Achieved.IOPS), MinThroughput: qos.WholeMebi(int64(p.Achieved.Throughput))}
	return fmt.Sprintf("Promised %s; got %s in ten seconds of which it used all, from %s. "+
		"The pool is slower than it was measured, or something other than its volumes uses its disk. To promise less from now on, run `mainstay pool probe` there again.",
		p.Promised.Minima(), achieved.Minima(), pool)
}
