package poolstatus

import (
	"reflect"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

func does(iops, size float64, p99 time.Duration) map[string]qos.Performance {
	return map[string]qos.Performance{"a": {Achieved: qos.Flow{IOPS: iops, Throughput: iops * size}, P99: p99}}
}

// One status after the other: what is written each time.
func TestWithAchieved(t *testing.T) {
	const ms = time.Millisecond
	status := func() v1alpha1.PoolStatus {
		return v1alpha1.PoolStatus{Volumes: []v1alpha1.PoolVolume{{Name: "a"}}}
	}
	before := status()
	for _, c := range []struct {
		why   string
		known map[string]qos.Performance
		fresh bool
		iops  int64 // -1: nothing is told
		p99   time.Duration
	}{
		{"nobody knows yet", nil, true, -1, 0},
		{"told at once, in round numbers", does(1234, 8192, 1770*time.Microsecond), false, 1200, 1800 * time.Microsecond},
		{"changed, but it is too early", does(5000, 8192, 9*ms), false, 1200, 1800 * time.Microsecond},
		{"about the same", does(1300, 8192, 2*ms), true, 1200, 1800 * time.Microsecond},
		{"requests take longer", does(1300, 8192, 3*ms), true, 1300, 3 * ms},
		{"more of them", does(1500, 8192, 3*ms), true, 1500, 3 * ms},
		{"larger", does(1500, 32768, 3*ms), true, 1500, 3 * ms},
		{"nobody knows: the driver starts again", nil, true, 1500, 3 * ms},
		{"idle", does(0, 0, 0), true, 0, 0},
		{"hardly more than idle", does(4, 8192, 100*ms), true, 0, 0},
		{"not in use", map[string]qos.Performance{}, false, -1, 0},
	} {
		now := withAchieved(status(), before, c.known, c.fresh)
		switch a := now.Volumes[0].Achieved; {
		case a == nil && c.iops >= 0, a != nil && a.IOPS != c.iops:
			t.Errorf("%s: %+v", c.why, a)
		case a != nil && (a.P99 == nil) != (c.p99 == 0), a != nil && a.P99 != nil && a.P99.Duration != c.p99:
			t.Errorf("%s: %v", c.why, a.P99)
		}
		before = now
	}
}

// Rates that swing by a tenth are written once.
func TestSwingingRatesAreWrittenOnce(t *testing.T) {
	before := withAchieved(v1alpha1.PoolStatus{Volumes: []v1alpha1.PoolVolume{{Name: "a"}}}, v1alpha1.PoolStatus{}, does(1000, 8192, time.Millisecond), true)
	for i := range 20 {
		now := withAchieved(v1alpha1.PoolStatus{Volumes: []v1alpha1.PoolVolume{{Name: "a"}}}, before,
			does(920+float64(8*i), 8192, time.Duration(900+10*i)*time.Microsecond), true)
		if !reflect.DeepEqual(now, before) {
			t.Fatalf("round %d: %+v after %+v", i, now.Volumes[0].Achieved, before.Volumes[0].Achieved)
		}
	}
}
