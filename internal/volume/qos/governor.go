package qos

import (
	"math"
	"time"
)

// Observed is what a volume did since the governor's last look.
type Observed struct {
	ID         string
	Parameters Parameters
	// Done is what its device has done, both directions together.
	Done Flow
	// Flows are what was asked for, and perhaps still waits for its limit.
	Flows []Flow
	// Requests that ended, and the time that they took together.
	Requests float64
	Took     time.Duration
	// Waiting: there are requests that have not ended.
	Waiting bool
}

// Held is what a volume is held to until the next look.
type Held struct {
	ID string
	// Limits of its flows, in the order of Observed.
	Limits []Limit
	// Back: it is held back below its own maximum, for others.
	Back bool
}

const (
	// slow is how many times longer than undisturbed a guaranteed volume's requests
	// may take, and slowShort the same while it has less than it was promised and
	// would have that undisturbed.
	slow, slowShort = 1.2, 1.05
	// secure is how far above its promise a volume is no longer protected: what it
	// gets beyond is spare, and everybody's.
	secure = 1.25
	// floor is the part of the envelope that those without a promise always have
	// together: half of what is never promised. The other half is for what cannot be reckoned:
	// an application that waits for each of its requests loses more to its neighbours than
	// the part of the disk's time that they take.
	floor = (1 - Promisable) / 2
	// gain is by which part of itself, a second, the allowance of those without a
	// promise changes for each part by which requests take too long, or might take
	// longer; at most by so much down and up. It does not jump at the first slow
	// request: every disk's latencies swing by themselves, and what they do around
	// the goal evens out. It does when somebody's requests do not end at all.
	gain, down, up = 4.0, 10.0, 1.0
	// used is the part of the allowance that must be used before it rises.
	used = 0.5
	// calm is how long nobody must have lacked until all are let go, and rest how
	// long those must have done nothing who could lack.
	calm, rest = 30 * time.Second, time.Second
)

// Governor decides, look by look, who is held back. Its zero value with an
// envelope is ready.
type Governor struct {
	Envelope Envelope

	volumes map[string]*record
	// held: those without a promise have an allowance, a part of the envelope.
	held      bool
	allowance float64
	// lacked is how long ago somebody did, and active how long ago somebody who was
	// promised something did anything.
	lacked, active time.Duration
}

// Look takes what all volumes of the pool did in the time since the last look,
// and returns what each is held to.
func (g *Governor) Look(elapsed time.Duration, volumes []Observed) []Held {
	g.remember(elapsed, volumes)
	g.adjust(elapsed, volumes)
	neighbours := 0
	for _, v := range volumes {
		if g.yields(v) && v.Done.IOPS > 0 {
			neighbours++
		}
	}
	out := make([]Held, len(volumes))
	for i, v := range volumes {
		out[i] = g.hold(v, max(neighbours, 1))
	}
	return out
}

// remember brings what is known of each volume up to date.
func (g *Governor) remember(elapsed time.Duration, volumes []Observed) {
	known := g.volumes
	g.volumes = make(map[string]*record, len(volumes))
	for _, v := range volumes {
		r := known[v.ID]
		if r == nil {
			r = &record{lacked: 2 * calm}
		}
		g.volumes[v.ID] = r
		r.observe(elapsed, v)
	}
}

// adjust changes the allowance of those without a promise.
func (g *Governor) adjust(elapsed time.Duration, volumes []Observed) {
	taken := 0.0
	for _, v := range volumes {
		if g.yields(v) {
			taken += g.Envelope.Share(v.Done.IOPS, v.Done.Throughput)
		}
	}
	g.lacked, g.active = g.lacked+elapsed, g.active+elapsed
	room := g.room(volumes, taken)
	change := min(max(gain*room, -down), up)
	switch {
	case room < 0 && taken > floor:
		if !g.held || g.allowance > taken {
			g.allowance = taken
		}
		g.held, g.lacked = true, 0
		if math.IsInf(room, -1) {
			g.allowance = floor
		}
	case !g.held:
		return
	case g.lacked > calm, g.active > rest:
		g.held = false
	case room > 0 && taken < used*g.allowance:
		return
	}
	g.allowance = max(g.allowance*math.Exp(change*elapsed.Seconds()), floor)
}

// room is by which part of what they take undisturbed the requests of whoever
// is worst off may take longer. Less than zero: somebody lacks what was promised.
// It learns what requests take if the others are quiet.
func (g *Governor) room(volumes []Observed, taken float64) float64 {
	least := math.Inf(1)
	for _, v := range volumes {
		if !v.Parameters.Guaranteed() || v.Requests == 0 && !v.Waiting {
			continue
		}
		g.active = 0
		r := g.volumes[v.ID]
		r.learn(taken)
		room := r.room(v.Parameters, g.Envelope)
		if room < 0 && taken > floor {
			r.lacked = 0
		}
		least = min(least, room)
	}
	return least
}

// yields: the volume has to make way for others, since it was promised nothing;
// or since it has far more than that, and is not one of those others.
func (g *Governor) yields(v Observed) bool {
	r := g.volumes[v.ID]
	return !v.Parameters.Guaranteed() || r.secured(v.Parameters, g.Envelope) && r.lacked > calm
}

// hold decides about one volume, one of so many that make way.
func (g *Governor) hold(v Observed, neighbours int) Held {
	r := g.volumes[v.ID]
	iops, throughput := r.iops.budget(v.Parameters.MaxIOPS), r.bytes.budget(v.Parameters.MaxThroughput)
	held := Held{ID: v.ID}
	if g.held && g.yields(v) {
		part := g.allowance / float64(neighbours)
		held.Back = true
		iops = tighter(iops, int64(max(part*float64(g.Envelope.IOPS()), secure*float64(v.Parameters.MinIOPS))))
		throughput = tighter(throughput, int64(max(part*float64(g.Envelope.Throughput()), secure*float64(v.Parameters.MinThroughput))))
	}
	operations, bytes := make([]float64, len(v.Flows)), make([]float64, len(v.Flows))
	for i, f := range v.Flows {
		operations[i], bytes[i] = f.IOPS, f.Throughput
	}
	dividedIOPS, dividedBytes := divide(iops, operations), divide(throughput, bytes)
	for i := range v.Flows {
		held.Limits = append(held.Limits, Limit{IOPS: dividedIOPS[i], Throughput: dividedBytes[i]})
	}
	return held
}
