package qos

import "time"

// nearly is the part of a promise that is held to be all of it.
const nearly = 0.95

// kept is how long a volume must not have lacked anything until a breach is over.
const kept = 30 * time.Second

// breach says whether a promise is broken. It begins with a Window in which the
// volume lacked, and ends when it has not lacked for a while.
type breach struct {
	is bool
	// known is for how long the promise is watched, since how long ago the volume
	// lacked, and total for how long it did in all.
	known, since, total time.Duration
}

func (b *breach) add(elapsed time.Duration, lacks bool) {
	b.known += elapsed
	b.since += elapsed
	switch {
	case lacks:
		b.is, b.since = true, 0
		b.total += elapsed
	case b.since >= kept:
		b.is = false
	}
}

// lacks: the volume wanted what it was promised, and got less. The first rule
// that matches wins.
func (r recent) lacks(promised Parameters, e Envelope) bool {
	switch {
	case !promised.Guaranteed():
		return false // nothing to lack
	case r.elapsed < Window:
		return false // too early to tell
	case r.busy.Seconds() < busyPart*r.elapsed.Seconds():
		return false // it was idle at times: nobody kept it from more
	case met(r.achieved(), promised, e, nearly):
		return false
	}
	return met(r.possible(e), promised, e, 1)
}

// possible is what the volume would have done, with as many requests at once as
// it had, if each took as long as when the pool was measured. A program that waits
// for each of its requests cannot do more than fits one after the other: then it
// did not ask for more.
func (r recent) possible(e Envelope) Flow {
	done := r.achieved()
	if !e.known() || done.IOPS == 0 {
		return Flow{IOPS: float64(e.IOPS()), Throughput: float64(e.Throughput())} // nothing ends at all
	}
	size := done.Throughput / done.IOPS
	atOnce := max(r.took.Seconds()/r.elapsed.Seconds(), 1) // it was busy
	rate := atOnce / (e.WriteLatency.Seconds() + size/float64(e.Throughput()))
	return Flow{IOPS: rate, Throughput: rate * size}
}

// smallRequest in bytes: larger ones are counted by what they cost the pool.
const smallRequest = 64 << 10

// met says whether a rate is this part of what was promised.
func met(f Flow, promised Parameters, e Envelope, part float64) bool {
	return reached(f, promised, e) >= part
}

// reached is which part of what was promised a rate is. Operations and bytes are
// promised together, but requests of one size reach one of the two first: the part
// that is further counts.
func reached(f Flow, promised Parameters, e Envelope) (part float64) {
	if promised.MinIOPS > 0 {
		part = f.IOPS / float64(promised.MinIOPS)
	}
	if promised.MinThroughput > 0 {
		part = max(part, f.Throughput/float64(promised.MinThroughput))
	}
	small := promised.MinIOPS > 0 && f.Throughput <= f.IOPS*smallRequest
	if owed := e.Share(float64(promised.MinIOPS), float64(promised.MinThroughput)); !small && f.IOPS > 0 && owed > 0 {
		// Its requests are of another size than the promise speaks of. It has what it
		// was promised if it has as much of the pool.
		part = max(part, e.Share(f.IOPS, f.Throughput)/owed)
	}
	return part
}
