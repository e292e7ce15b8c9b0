package qos

import (
	"math"
	"time"
)

// record is what the governor knows of a volume from earlier looks.
type record struct {
	// requests and seconds that they took, of late: what is older counts less.
	requests, seconds float64
	// did is how much it did of late, a second.
	did Flow
	// undisturbed is what a request takes, in seconds, while nobody disturbs. Zero:
	// not known yet.
	undisturbed float64
	// lacked is how long ago the volume lacked what it was promised.
	lacked      time.Duration
	iops, bytes debt
}

// memory is how long it takes until something counts half.
const memory = 300 * time.Millisecond

// enough is how long the requests that are remembered must have taken, for the
// kernel counts in milliseconds.
const enough = 0.010 // seconds

func (r *record) observe(elapsed time.Duration, v Observed) {
	r.lacked += elapsed
	keep := math.Exp2(-elapsed.Seconds() / memory.Seconds())
	r.requests = r.requests*keep + v.Requests
	r.seconds = r.seconds*keep + v.Took.Seconds()
	r.did.IOPS = r.did.IOPS*keep + v.Done.IOPS*(1-keep)
	r.did.Throughput = r.did.Throughput*keep + v.Done.Throughput*(1-keep)
	r.iops.add(elapsed, v.Done.IOPS, v.Parameters.MaxIOPS)
	r.bytes.add(elapsed, v.Done.Throughput, v.Parameters.MaxThroughput)
}

// latency of a request of late, in seconds; zero when too little was done to tell.
func (r *record) latency() float64 {
	if r.seconds < enough || r.requests < 1 {
		return 0
	}
	return r.seconds / r.requests
}

// learn takes what requests take now for undisturbed when nobody disturbs, or
// when it is less than ever. What an application asks for changes, and with it
// how long it takes: if holding others back changes nothing, it is not they.
func (r *record) learn(quiet bool) {
	now := r.latency()
	switch {
	case now == 0:
	case r.undisturbed == 0 && quiet, now < r.undisturbed:
		r.undisturbed = now
	case quiet:
		r.undisturbed += (now - r.undisturbed) / 4
	}
}

// lacks: the volume does no more than it was promised, and is being disturbed,
// as far as is known. Nothing is known before there was a moment without
// neighbours: then they are held back for one.
func (r *record) lacks(v Observed) bool {
	now := r.latency()
	return now > 0 && !r.secured(v.Parameters) && (r.undisturbed == 0 || now > slow*r.undisturbed)
}

// secured: the volume does clearly more than it was promised.
func (r *record) secured(promised Parameters) bool {
	return promised.Guaranteed() &&
		r.did.IOPS >= secure*float64(promised.MinIOPS) && r.did.Throughput >= secure*float64(promised.MinThroughput)
}

// debt is by how much a volume exceeded its maximum of late, which can happen
// in the moment before a limit follows a change. It is paid back at once. The
// kernel lets a large request wait, and then lets it go whole: so what was not
// used in the last moment counts against it.
type debt struct{ owed float64 }

// unused is for how long a right that was not used can be used later: no longer
// than makes a difference to what a volume does in some seconds.
const unused = 0.2 // seconds

// repaid is for how long at most a volume has to make up for what it exceeded: a
// look that came late must not slow it down for minutes.
const repaid = 1.0 // seconds

func (d *debt) add(elapsed time.Duration, rate float64, maximum int64) {
	if maximum == 0 {
		d.owed = 0
		return
	}
	owed := d.owed + (rate-float64(maximum))*elapsed.Seconds()
	d.owed = min(max(owed, -unused*float64(maximum)), repaid*float64(maximum))
}

// budget is what the volume may do a second now: its maximum, or half of it while
// it owes. There is nothing between, since the kernel begins anew to count how
// long a request has waited whenever a limit changes.
func (d *debt) budget(maximum int64) int64 {
	if d.owed > 0 {
		return max(maximum/2, 1)
	}
	return maximum
}
