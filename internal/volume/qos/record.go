package qos

import (
	"math"
	"time"
)

// record is what the governor knows of a volume from earlier looks.
type record struct {
	// requests and seconds that they took, of late: what is older counts less.
	requests, seconds float64
	// did is how much it did of late, a second, and busy in which part of the time it
	// had a request under way; more than one when there were several.
	did  Flow
	busy float64
	// last is what it did since the last look, and lastBusy how busy it was: an
	// application may end at any moment, and means of late still go on then.
	last     Flow
	lastBusy float64
	// undisturbed is what a request takes, in seconds, while nobody disturbs, and could
	// what the volume does then, a second. Zero: not known yet.
	undisturbed float64
	could       Flow
	// lacked is how long ago the volume lacked what it was promised.
	lacked time.Duration
	// starves is for how long a request has waited, and none has ended.
	starves     time.Duration
	iops, bytes debt
}

// memory is how long it takes until something counts half.
const memory = 300 * time.Millisecond

// enough is how long the requests that are remembered must have taken, for the
// kernel counts in milliseconds.
const enough = 0.010 // seconds

func (r *record) observe(elapsed time.Duration, v Observed) {
	r.lacked += elapsed
	if r.starves += elapsed; v.Requests > 0 || !v.Waiting {
		r.starves = 0
	}
	keep := math.Exp2(-elapsed.Seconds() / memory.Seconds())
	r.requests = r.requests*keep + v.Requests
	r.seconds = r.seconds*keep + v.Took.Seconds()
	r.did.IOPS = r.did.IOPS*keep + v.Done.IOPS*(1-keep)
	r.did.Throughput = r.did.Throughput*keep + v.Done.Throughput*(1-keep)
	r.last, r.lastBusy = v.Done, v.Took.Seconds()/max(elapsed, time.Microsecond).Seconds()
	r.busy = r.busy*keep + r.lastBusy*(1-keep)
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

const (
	// silent is the part of the envelope that disturbs nobody.
	silent = 0.01
	// asking is how busy a volume is at least whose application waits for it, and not
	// for something else.
	asking = 0.25
	// aim is the part of its promise that it is brought to: rates swing.
	aim = 1.03
	// A volume starves that has waited for so many times as long as a request takes
	// undisturbed, and no less than for a hiccup, and none has ended.
	starving, hiccup = 100, 0.06 // seconds
)

// learn takes what requests take now for undisturbed while others take no more
// than that part of the envelope which they always have; and what the volume does
// for what it could do. What an application asks for changes, and with it both: if
// holding others back changes nothing, it is not they. With them at work it takes a
// while to be sure; and what is better than ever, for a moment, may be so by chance.
func (r *record) learn(others float64) {
	now := r.latency()
	if now == 0 {
		return
	}
	if r.undisturbed == 0 {
		if others <= floor {
			r.undisturbed, r.could = now, r.did
		}
		return
	}
	r.undisturbed += sure(others, now < r.undisturbed) * (now - r.undisturbed)
	if r.lastBusy >= asking {
		r.could.IOPS += sureOfLast(others, r.last.IOPS > r.could.IOPS) * (r.last.IOPS - r.could.IOPS)
		r.could.Throughput += sureOfLast(others, r.last.Throughput > r.could.Throughput) * (r.last.Throughput - r.could.Throughput)
	}
}

// sure is how far what is seen now counts, while others take that part of the envelope.
func sure(others float64, better bool) float64 {
	switch {
	case others <= silent:
		return 1.0 / 4
	case better:
		return 1.0 / 16
	case others <= floor:
		return 1.0 / 200
	}
	return 0
}

// sureOfLast is the same for what was done since the last look alone: an application
// may have paused, or ended, within it.
func sureOfLast(others float64, better bool) float64 {
	if others <= silent && !better {
		return 1.0 / 16
	}
	return sure(others, better)
}

// room is by which part of what they take undisturbed the volume's requests may
// take longer, as far as is known. Less than zero: it lacks. Nothing is known
// before there was a moment without neighbours: then they are held back for one, as
// far as they can be, and so they are for one that starves.
func (r *record) room(promised Parameters, e Envelope) float64 {
	now := r.latency()
	switch {
	case r.starves.Seconds() >= max(starving*r.undisturbed, hiccup):
		return math.Inf(-1)
	case now == 0, r.secured(promised, e):
		return math.Inf(1)
	case r.undisturbed == 0:
		return math.Inf(-1)
	}
	slowed, has := now/r.undisturbed, reached(r.did, promised, e)
	alone := Flow{IOPS: r.did.IOPS * slowed, Throughput: r.did.Throughput * slowed}
	room := slow - slowed
	if has < 1 && met(alone, promised, e, 1) {
		room = slowShort - slowed
	}
	if r.busy >= asking && met(r.could, promised, e, 1) {
		// Whatever keeps it from its promise, it was not there without neighbours: the
		// processor's time, for one, of which each request needs some.
		room = min(room, has-aim)
	}
	return room
}

// secured: the volume does clearly more than it was promised.
func (r *record) secured(promised Parameters, e Envelope) bool {
	return promised.Guaranteed() && met(r.did, promised, e, secure)
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
