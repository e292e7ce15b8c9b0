package qos

import (
	"math"
	"testing"
	"time"
)

// tell gives what a volume does in each look of a time.
func (m *Meter) tell(during time.Duration, e Envelope, o Observed) {
	for range int(during / tick) {
		m.Add(tick, o, e)
	}
}

// at is a volume that does so much a second, so many requests at once.
func at(p Parameters, iops, size, atOnce float64) Observed {
	return Observed{
		Parameters: p, Done: Flow{IOPS: iops, Throughput: iops * size}, Waiting: atOnce >= 1,
		Requests: iops * tick.Seconds(), Took: time.Duration(atOnce * float64(tick)),
	}
}

func TestMeterReckonsOverTheLastSeconds(t *testing.T) {
	var m Meter
	if got := m.Performance(); got.Achieved != (Flow{}) || got.P99 != 0 || got.Settled {
		t.Errorf("before the first look: %+v", got)
	}
	m.tell(time.Minute, Envelope{}, at(Parameters{}, 9000, 4096, 1))
	m.tell(Window-time.Second, Envelope{}, at(Parameters{}, 100, 4096, 1))
	if got := m.Performance().Achieved.IOPS; math.Abs(got-990) > 1 {
		t.Errorf("nine seconds of 100 after one of 9000 are %.0f", got)
	}
	m.tell(time.Second, Envelope{}, at(Parameters{}, 100, 4096, 1))
	if got := m.Performance().Achieved; math.Abs(got.IOPS-100) > 1e-6 || math.Abs(got.Throughput-409_600) > 1 {
		t.Errorf("ten seconds of 100 are %+v", got)
	}
}

func TestMeterEstimatesLatencies(t *testing.T) {
	var m Meter
	m.tell(9800*time.Millisecond, Envelope{}, at(Parameters{}, 1000, 4096, 1)) // 1 ms each
	m.tell(2*tick, Envelope{}, at(Parameters{}, 100, 4096, 4))                 // 40 ms each, 1 of 500
	if got := m.Performance().P99; got != time.Millisecond {
		t.Errorf("one of 500 took long: %v", got)
	}
	m.tell(2*time.Second, Envelope{}, at(Parameters{}, 100, 4096, 4)) // 1 of 41
	if got := m.Performance().P99; got != 40*time.Millisecond {
		t.Errorf("one of 41 took long: %v", got)
	}
	h := m.Performance().Latencies
	if h.Count != 9800+220 || h.Buckets[3] != 9800 || h.Buckets[8] != 220 || math.Abs(h.Seconds-9.8-8.8) > 1e-6 {
		t.Errorf("the histogram: %+v", h)
	}
}

// The kernel counts in milliseconds: what took less must not seem to take nothing.
func TestMeterWaitsForShortRequests(t *testing.T) {
	var m Meter
	for i := range 100 {
		o := Observed{Requests: 1}
		if i%10 == 0 {
			o.Took = 2 * time.Millisecond
		}
		m.Add(tick, o, Envelope{})
	}
	if got := m.Performance().P99; got != 200*time.Microsecond {
		t.Errorf("ten requests a second took 2 ms: %v", got)
	}
}
