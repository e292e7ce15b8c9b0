package qos

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// noisy is a disk whose latencies swing by themselves, as those of all disks do:
// slowly by some per cent, and now and then for a moment by more.
type noisy struct {
	governor    Governor
	random      *rand.Rand
	sensitivity float64 // by which part requests take longer beside a neighbour that takes all
	// waits is the part of its time in which the database waits for a request; the rest
	// takes longer by the part processor, beside such a neighbour.
	waits, processor float64
	swing            float64
	drift            float64
	allowed          float64 // the part of the disk that the neighbour may take
}

// undisturbed is what a request of the database takes on average, in seconds.
const undisturbed = 0.0003

// pass lets a tick pass in which both do as much as they can. It gives what the
// database did, as a part of what it does alone, and the neighbour's part of the disk.
func (d *noisy) pass(promised Parameters, beside bool) (did, share float64) {
	d.drift = 0.8*d.drift + 0.6*d.swing*d.random.NormFloat64()
	latency := undisturbed * math.Exp(d.drift)
	if d.random.IntN(50) == 0 {
		latency *= 1.6
	}
	if beside {
		share = min(d.allowed, 1)
	}
	latency *= 1 + d.sensitivity*share
	between := (1 - d.waits) / d.waits * undisturbed * (1 + d.processor*share)
	rate := 1 / (latency + between)
	bytes := share * float64(d.governor.Envelope.Throughput())
	held := d.governor.Look(tick, []Observed{
		{ID: "database", Parameters: promised, Waiting: true, Requests: tick.Seconds() * rate,
			Took: time.Duration(float64(tick) * rate * latency), Done: Flow{IOPS: rate, Throughput: 8192 * rate}},
		{ID: "neighbour", Waiting: beside, Done: Flow{Throughput: bytes}, Flows: []Flow{{Throughput: bytes}}},
	})
	d.allowed = 1
	if limit := held[1].Limits[0].Throughput; limit > 0 {
		d.allowed = float64(limit) / float64(d.governor.Envelope.Throughput())
	}
	return rate * undisturbed / d.waits, share
}

// pause lets some ticks pass in which neither does anything, but for the database in the
// first half of the first, and its file system that writes a little afterwards.
func (d *noisy) pause(promised Parameters, ticks int) {
	for i := range ticks {
		database := Observed{ID: "database", Parameters: promised}
		if rate := []float64{0.5, 0.01, 0.01, 0.01, 0.01}; i < len(rate) {
			rate := rate[i] * d.waits / undisturbed
			database.Requests, database.Done = tick.Seconds()*rate, Flow{IOPS: rate, Throughput: 8192 * rate}
			database.Took = time.Duration(float64(tick) * rate * undisturbed)
		}
		d.governor.Look(tick, []Observed{database, {ID: "neighbour", Flows: []Flow{{}}}})
	}
	d.allowed = 1
}

// A database that is promised four fifths of what it does alone gets them, and its
// neighbour most of what it could have without slowing the database down by more
// than may be. Where a tenth of the disk for it costs the database a fifth, it has that.
func TestNeighbourGetsWhatIsLeft(t *testing.T) {
	const promised, runs, during = 0.8, 20, 17 * time.Second
	for _, c := range []struct {
		sensitivity, swing float64
		neighbour          float64 // at least this part of the disk
	}{
		{0.1, 0.03, 0.9}, // of all
		{0.1, 0.1, 0.8},
		{0.3, 0.03, 0.5}, // of two thirds
		{0.3, 0.1, 0.4},
		{0.6, 0.03, 0.27}, // of a third
		{0.6, 0.1, 0.27},
		{1, 0.03, 0.2},
		{1, 0.1, 0.2},
		{2, 0.03, 0.1},
		{2, 0.1, 0.1},
	} {
		database, neighbour := 0.0, 0.0
		for seed := range uint64(runs) {
			d := &noisy{governor: Governor{Envelope: envelope(10_000, 1<<30)}, random: rand.New(rand.NewPCG(seed, 7)),
				sensitivity: c.sensitivity, waits: 1, swing: c.swing, allowed: 1}
			minimum := promised / undisturbed
			parameters := Parameters{MinIOPS: int64(minimum)}
			for range int(5 * time.Second / tick) {
				d.pass(parameters, false)
			}
			for range int(during / tick) {
				did, share := d.pass(parameters, true)
				database += did / promised / runs / float64(during/tick)
				neighbour += share / runs / float64(during/tick)
			}
		}
		if database < 0.95 || neighbour < c.neighbour {
			t.Errorf("sensitivity %.1f, swing %.2f: the database has %.2f of its minimum, its neighbour %.2f of the disk",
				c.sensitivity, c.swing, database, neighbour)
		}
	}
}

// What a neighbour takes of the processor does not show in how long the database's
// requests take. It gets what it was promised all the same; and its neighbour all of the
// disk, if that takes nothing from the database.
func TestNeighbourTakesTheProcessor(t *testing.T) {
	const promised, runs, during = 0.8, 20, 17 * time.Second
	for _, c := range []struct{ processor, swing, neighbour float64 }{
		{0, 0.1, 0.9},
		{0.5, 0.03, 0.9},
		{1, 0.03, 0.5},
		{1, 0.1, 0.4},
		{2, 0.03, 0.2},
		{2, 0.1, 0.2},
	} {
		database, neighbour := 0.0, 0.0
		for seed := range uint64(runs) {
			d := &noisy{governor: Governor{Envelope: envelope(10_000, 1<<30)}, random: rand.New(rand.NewPCG(seed, 8)),
				waits: 0.6, processor: c.processor, swing: c.swing, allowed: 1}
			parameters := Parameters{MinIOPS: int64(promised * d.waits / undisturbed)}
			for range int(5 * time.Second / tick) {
				d.pass(parameters, false)
			}
			d.pause(parameters, 15)
			for range int(during / tick) {
				did, share := d.pass(parameters, true)
				database += did / promised / runs / float64(during/tick)
				neighbour += share / runs / float64(during/tick)
			}
		}
		if database < 0.95 || neighbour < c.neighbour {
			t.Errorf("processor %.1f, swing %.2f: the database has %.2f of its minimum, its neighbour %.2f of the disk", c.processor, c.swing, database, neighbour)
		}
	}
}

// A database that comes to do less by itself, and no neighbour's fault, costs nobody
// anything for long.
func TestSlowerByItself(t *testing.T) {
	d := &noisy{governor: Governor{Envelope: envelope(10_000, 1<<30)}, random: rand.New(rand.NewPCG(1, 9)), waits: 0.6, swing: 0.03, allowed: 1}
	parameters := Parameters{MinIOPS: int64(0.8 * d.waits / undisturbed)}
	for range int(5 * time.Second / tick) {
		d.pass(parameters, false)
	}
	d.waits = 0.3
	neighbour := 0.0
	const settles, during = 20 * time.Second, 10 * time.Second
	for i := range int((settles + during) / tick) {
		if _, share := d.pass(parameters, true); i >= int(settles/tick) {
			neighbour += share / float64(during/tick)
		}
	}
	if neighbour < 0.9 {
		t.Errorf("its neighbour has %.2f of the disk", neighbour)
	}
}
