package qos

import (
	"cmp"
	"slices"
	"time"
)

// Window is the time over which a volume's performance is reckoned.
const Window = 10 * time.Second

// Performance is what a volume did over the last Window, beside what it was
// promised.
type Performance struct {
	Promised Parameters
	Achieved Flow
	// P99 is what 99 of 100 requests took at most; zero when there were none. It is
	// an estimate: the kernel tells how many requests ended and what they took in
	// sum, so that within a tenth of a second all count as equally long.
	P99 time.Duration
	// Latencies are those since the volume is known.
	Latencies Histogram
	// Breached: it asked for what it was promised, and did not get it.
	Breached bool
	// Lacked is for how long it did not, in all, since the volume is known.
	Lacked time.Duration
	// Settled: it has been looked at for long enough that Breached says something.
	Settled bool
}

// Meter follows the performance of one volume, look by look. Its zero value is
// ready.
type Meter struct {
	promised  Parameters
	looks     []look // of the last Window, the oldest first
	pending   batch
	latencies Histogram
	breach    breach
}

// look is what was seen in the time since the look before.
type look struct {
	elapsed           time.Duration
	operations, bytes float64
	took              time.Duration
	busy              bool // there was something to do all the time
	batch             batch
}

// batch is requests of which only the sum of their latencies is known.
type batch struct {
	requests      float64
	took, elapsed time.Duration
}

func (b batch) mean() time.Duration { return time.Duration(float64(b.took) / b.requests) }

// busyPart of a look makes it a busy one, and of a window's looks the window: a
// program that waits for each of its requests needs a moment between two.
const busyPart = 0.9

// Add takes what the volume did in the time since the last look, and what its
// pool was measured to do.
func (m *Meter) Add(elapsed time.Duration, v Observed, e Envelope) {
	if v.Parameters != m.promised {
		// What was done before says nothing about the new promise.
		m.promised, m.looks, m.breach = v.Parameters, nil, breach{total: m.breach.total}
	}
	m.looks = append(m.looks, look{
		elapsed: elapsed, operations: v.Done.IOPS * elapsed.Seconds(), bytes: v.Done.Throughput * elapsed.Seconds(), took: v.Took,
		busy:  v.Waiting || v.Took.Seconds() >= busyPart*elapsed.Seconds(),
		batch: m.take(elapsed, v),
	})
	recent := sum(m.looks)
	for ; recent.elapsed-m.looks[0].elapsed >= Window; m.looks = m.looks[1:] {
		recent.elapsed -= m.looks[0].elapsed
	}
	m.breach.add(elapsed, sum(m.looks).lacks(m.promised, e))
}

// take gives the requests that ended. The kernel counts in milliseconds, so a few
// short ones wait for more, though not for long.
func (m *Meter) take(elapsed time.Duration, v Observed) batch {
	m.pending.requests += v.Requests
	m.pending.took += v.Took
	m.pending.elapsed += elapsed
	if m.pending.requests < 1 || m.pending.took.Seconds() < enough && m.pending.elapsed < time.Second {
		return batch{}
	}
	b := m.pending
	m.pending = batch{}
	m.latencies.add(b)
	return b
}

// Performance gives what is known now.
func (m *Meter) Performance() Performance {
	recent := sum(m.looks)
	latencies := m.latencies
	return Performance{
		Promised: m.promised, Achieved: recent.achieved(), P99: p99(m.looks), Latencies: latencies,
		Breached: m.breach.is, Lacked: m.breach.total, Settled: m.breach.known >= kept,
	}
}

// recent is what was seen in a window.
type recent struct {
	elapsed, busy, took time.Duration
	operations, bytes   float64
}

func sum(looks []look) (r recent) {
	for _, l := range looks {
		r.elapsed += l.elapsed
		r.took += l.took
		r.operations += l.operations
		r.bytes += l.bytes
		if l.busy {
			r.busy += l.elapsed
		}
	}
	return r
}

func (r recent) achieved() Flow {
	if r.elapsed == 0 {
		return Flow{}
	}
	return Flow{IOPS: r.operations / r.elapsed.Seconds(), Throughput: r.bytes / r.elapsed.Seconds()}
}

// p99 of the requests that ended during the looks.
func p99(looks []look) time.Duration {
	var batches []batch
	all := 0.0
	for _, l := range looks {
		if l.batch.requests > 0 {
			batches = append(batches, l.batch)
			all += l.batch.requests
		}
	}
	slices.SortFunc(batches, func(a, b batch) int { return cmp.Compare(a.mean(), b.mean()) })
	below := 0.0
	for _, b := range batches {
		if below += b.requests; below >= 0.99*all {
			return b.mean()
		}
	}
	return 0
}
