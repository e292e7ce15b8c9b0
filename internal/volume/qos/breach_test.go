package qos

import (
	"testing"
	"time"
)

// pool does 10,000 operations or 1 GiB a second; one durable write takes 0.2 ms.
func pool() Envelope {
	e := envelope(10_000, 1<<30)
	e.WriteLatency = 200 * time.Microsecond
	return e
}

func TestBreach(t *testing.T) {
	thousand := Parameters{MinIOPS: 1000}
	both := Parameters{MinIOPS: 1000, MinThroughput: 40 << 20}
	bytes := Parameters{MinThroughput: 100 << 20} // a tenth of the pool
	const small, large = 8 << 10, 1 << 20
	for _, c := range []struct {
		why      string
		o        Observed
		breached bool
	}{
		{"nothing is promised", at(Parameters{MaxIOPS: 5}, 1, small, 8), false},
		{"idle", at(thousand, 0, small, 0), false},
		{"idle at times", at(thousand, 300, small, 0.5), false},
		{"as much as was promised", at(thousand, 1000, small, 1), false},
		{"nearly as much", at(thousand, 960, small, 1), false},
		{"less, with a request waiting all the time", at(thousand, 940, small, 1), true},
		{"nothing at all ends", at(thousand, 0, small, 8), true},
		{"one request after the other, which cannot be more", at(Parameters{MinIOPS: 6000}, 3000, small, 1), false},
		{"many at once could be more", at(Parameters{MinIOPS: 6000}, 3000, small, 4), true},
		{"small requests reach the operations first", at(both, 1000, small, 1), false},
		{"large requests reach the bytes first", at(both, 41, large, 4), false},
		{"neither", at(both, 900, small, 1), true},
		{"small requests where bytes are promised, a tenth of the pool", at(bytes, 1000, 4<<10, 4), false},
		{"less than a tenth", at(bytes, 500, 4<<10, 4), true},
		{"large requests where operations are promised, a tenth of the pool", at(thousand, 100, large, 8), false},
		{"less than a tenth of it", at(thousand, 50, large, 8), true},
	} {
		var m Meter
		m.tell(Window-tick, pool(), c.o)
		if m.Performance().Breached {
			t.Errorf("%s: too early to tell", c.why)
		}
		m.tell(2*tick, pool(), c.o)
		if got := m.Performance().Breached; got != c.breached {
			t.Errorf("%s: breached: %v", c.why, got)
		}
	}
}

// A breach begins after ten seconds, and ends when nothing lacked for thirty. A
// volume that comes and goes about its minimum does not come and go with it.
func TestBreachHolds(t *testing.T) {
	promised := Parameters{MinIOPS: 1000}
	slow, good, idle := at(promised, 500, 8<<10, 1), at(promised, 1500, 8<<10, 1), at(promised, 0, 0, 0)
	var m Meter
	m.tell(40*time.Second, pool(), good)
	if p := m.Performance(); p.Breached || !p.Settled {
		t.Fatalf("a good start: %+v", p)
	}
	m.tell(20*time.Second, pool(), slow)
	if p := m.Performance(); !p.Breached || p.Lacked < 10*time.Second || p.Lacked > 16*time.Second {
		t.Errorf("after 20 s: %+v", p)
	}
	for range 5 {
		m.tell(15*time.Second, pool(), good)
		m.tell(15*time.Second, pool(), slow)
		if !m.Performance().Breached {
			t.Error("it came and went")
		}
	}
	m.tell(kept, pool(), idle)
	if !m.Performance().Breached {
		t.Error("over before it was seen to hold for long enough")
	}
	m.tell(Window, pool(), idle)
	if m.Performance().Breached {
		t.Error("it does not end")
	}
	m.tell(20*time.Second, pool(), slow)
	other := at(Parameters{MinIOPS: 100}, 500, 8<<10, 1)
	m.tell(tick, pool(), other)
	if p := m.Performance(); p.Breached || p.Settled || p.Lacked < 40*time.Second {
		t.Errorf("promised something else: %+v", p)
	}
}
