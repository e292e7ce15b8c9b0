package poolstatus

import (
	"math"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

// withAchieved adds to a status what the volumes do. What was told before stays
// until it is time for a fresh look, and while it is about right: a cluster where
// little changes writes nothing. Of a volume that nothing was told of yet, it is
// told at once.
func withAchieved(s, before v1alpha1.PoolStatus, known map[string]qos.Performance, fresh bool) v1alpha1.PoolStatus {
	told := map[string]*v1alpha1.PoolAchieved{}
	for _, v := range before.Volumes {
		told[v.Name] = v.Achieved
	}
	for i := range s.Volumes {
		v := &s.Volumes[i]
		p, inUse := known[v.Name]
		v.Achieved = told[v.Name]
		switch {
		case known == nil: // nobody knows
		case !inUse:
			v.Achieved = nil
		case v.Achieved == nil, fresh && !aboutRight(*v.Achieved, p):
			v.Achieved = achieved(p)
		}
	}
	return s
}

// What is less than these, in operations and bytes a second, nobody misses.
const (
	fewOperations = 5
	fewBytes      = 256 << 10
)

// aboutRight: what was told still is, as far as people care.
func aboutRight(told v1alpha1.PoolAchieved, p qos.Performance) bool {
	if !near(float64(told.IOPS), p.Achieved.IOPS, fewOperations) || !near(told.Throughput.AsApproximateFloat64(), p.Achieved.Throughput, fewBytes) {
		return false
	}
	return told.P99 == nil || p.Achieved.IOPS < fewOperations ||
		math.Abs(p.P99.Seconds()-told.P99.Seconds()) < 0.25*told.P99.Seconds()
}

// near: two rates differ by a tenth at most, or by little.
func near(a, b, little float64) bool {
	return math.Abs(a-b) <= max(0.1*max(a, b), little)
}

func achieved(p qos.Performance) *v1alpha1.PoolAchieved {
	a := &v1alpha1.PoolAchieved{
		IOPS: int64(twoDigits(p.Achieved.IOPS)), Throughput: *twoDigitsOfBytes(p.Achieved.Throughput),
	}
	if p.P99 > 0 && p.Achieved.IOPS >= fewOperations {
		a.P99 = &metav1.Duration{Duration: time.Duration(twoDigits(float64(p.P99)))}
	}
	return a
}

// twoDigitsOfBytes rounds in the largest unit that leaves two digits.
func twoDigitsOfBytes(n float64) *resource.Quantity {
	unit := 1.0
	for n >= 10*1024*unit {
		unit *= 1024
	}
	return resource.NewQuantity(int64(twoDigits(n/unit)*unit), resource.BinarySI)
}

// twoDigits rounds to two digits, and to whole numbers.
func twoDigits(n float64) float64 {
	if n < 10 {
		return math.Round(n)
	}
	unit := math.Pow(10, math.Floor(math.Log10(n))-1)
	return math.Round(n/unit) * unit
}
