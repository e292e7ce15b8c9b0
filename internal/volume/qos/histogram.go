package qos

// LatencyBounds are the upper bounds of a Histogram's buckets, in seconds. What
// took longer than the last is in none, but in the count.
var LatencyBounds = [...]float64{
	0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
}

// Histogram counts requests by what they took.
type Histogram struct {
	Buckets [len(LatencyBounds)]uint64 // each by itself, not those below
	Count   uint64
	Seconds float64 // of all together
}

func (h *Histogram) add(b batch) {
	n := uint64(b.requests)
	h.Count += n
	h.Seconds += b.took.Seconds()
	for i, bound := range LatencyBounds {
		if b.mean().Seconds() <= bound {
			h.Buckets[i] += n
			return
		}
	}
}
