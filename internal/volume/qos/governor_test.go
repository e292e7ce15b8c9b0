package qos

import (
	"math"
	"testing"
	"time"
)

const tick, shortTick = 100 * time.Millisecond, 80 * time.Millisecond

// disk is a simple disk: every operation and every byte takes its share of it,
// and a request takes the longer the busier others keep it.
type disk struct {
	envelope Envelope
	governor Governor
	held     map[string]Held
}

func newDisk() *disk {
	e := envelope(10_000, 1<<30)
	return &disk{envelope: e, governor: Governor{Envelope: e}, held: map[string]Held{}}
}

// load is what an application asks of its volume.
type load struct {
	id         string
	parameters Parameters
	size       float64 // of its requests
	wants      float64 // operations a second, if nothing keeps it from them
	depth      float64 // requests at once
	written    float64 // the part of its requests that are writes
}

// pass lets one tick pass, and returns what each load got, in operations a second.
func (d *disk) pass(loads ...load) map[string]float64 {
	got := map[string]float64{}
	observed := make([]Observed, len(loads))
	busy := map[string]float64{}
	wanted := 0.0
	for _, l := range loads {
		rate := l.wants
		if h, ok := d.held[l.id]; ok {
			rate = min(rate, slowest(h.Limits[0].IOPS, h.Limits[1].IOPS, l.written), slowest(h.Limits[0].Throughput, h.Limits[1].Throughput, l.written)/l.size)
		}
		got[l.id] = rate
		busy[l.id] = d.envelope.Share(rate, rate*l.size)
		wanted += busy[l.id]
	}
	for i, l := range loads {
		others := wanted - busy[l.id]
		latency := d.envelope.Share(1, l.size) * (1 + 2*min(others, 1)) // seconds
		got[l.id] = min(got[l.id], l.depth/latency) / max(wanted, 1)
		observed[i] = Observed{ID: l.id, Parameters: l.parameters, Requests: got[l.id] * tick.Seconds(),
			Took: time.Duration(got[l.id] * tick.Seconds() * latency * float64(time.Second)),
			Done: Flow{IOPS: got[l.id], Throughput: got[l.id] * l.size},
			Flows: []Flow{
				{IOPS: got[l.id] * (1 - l.written), Throughput: got[l.id] * (1 - l.written) * l.size},
				{IOPS: got[l.id] * l.written, Throughput: got[l.id] * l.written * l.size},
			}}
	}
	for _, h := range d.governor.Look(tick, observed) {
		d.held[h.ID] = h
	}
	return got
}

// slowest is how much an application does that waits for each of its requests, if
// reads and writes have limits of their own.
func slowest(reads, writes int64, written float64) float64 {
	rate := math.Inf(1)
	if reads > 0 && written < 1 {
		rate = float64(reads) / (1 - written)
	}
	if writes > 0 && written > 0 {
		rate = min(rate, float64(writes)/written)
	}
	return rate
}

// average of what each load gets in a time.
func (d *disk) average(during time.Duration, loads ...load) map[string]float64 {
	sum := map[string]float64{}
	n := float64(during / tick)
	for range int(n) {
		for id, rate := range d.pass(loads...) {
			sum[id] += rate / n
		}
	}
	return sum
}

var (
	database  = load{id: "database", parameters: Parameters{MinIOPS: 3000}, size: 8 << 10, wants: 3000, depth: 1, written: 0.5}
	neighbour = load{id: "neighbour", size: 1 << 20, wants: 3000, depth: 32, written: 1}
)

func TestGuaranteedBesideNeighbour(t *testing.T) {
	d := newDisk()
	d.average(10*time.Second, database)
	got := d.average(time.Minute, database, neighbour)
	if got["database"] < 0.95*3000 {
		t.Errorf("the database was promised 3000 IOPS and got %.0f", got["database"])
	}
	if floor := floor * 1024 / 2; got["neighbour"] < floor {
		t.Errorf("its neighbour got %.0f MiB a second", got["neighbour"])
	}
}

// Nobody is held back who keeps nobody from what was promised.
func TestSpareIsNotWasted(t *testing.T) {
	d := newDisk()
	alone := d.average(10*time.Second, neighbour)["neighbour"]
	idle := database
	idle.wants = 0
	if got := d.average(10*time.Second, idle, neighbour)["neighbour"]; got < 0.99*alone {
		t.Errorf("beside an idle guaranteed volume it got %.0f, alone %.0f", got, alone)
	}
	d.average(20*time.Second, database, neighbour)
	d.average(2*rest, idle, neighbour)
	if got := d.average(time.Second, idle, neighbour)["neighbour"]; got < 0.99*alone {
		t.Errorf("after the guaranteed volume fell idle it got %.0f, alone %.0f", got, alone)
	}
	greedy := database
	greedy.parameters.MinIOPS = 10
	d = newDisk()
	d.average(5*time.Second, greedy)
	d.average(30*time.Second, greedy, neighbour)
	if d.held["neighbour"].Back {
		t.Error("it is held back for one that has far more than it was promised")
	}
}

// Beside a neighbour that lets none of its requests end, a volume is helped at the second
// look: no latency tells of it.
func TestStarving(t *testing.T) {
	d := newDisk()
	d.average(5*time.Second, database)
	greedy := Flow{Throughput: float64(d.envelope.Throughput())}
	looks := 0
	for back := false; !back && looks < 100; looks++ {
		held := d.governor.Look(shortTick, []Observed{
			{ID: "database", Parameters: database.parameters, Waiting: true},
			{ID: "neighbour", Waiting: true, Done: greedy, Flows: []Flow{greedy}},
		})
		back = held[1].Back && held[1].Limits[0].Throughput <= int64(1.01*floor*greedy.Throughput)
	}
	if looks > 2 {
		t.Errorf("after %d looks", looks)
	}
}

// Over any five seconds a volume does at most five per cent more than its
// maximum, reads and writes together, whatever changes.
func TestMaximum(t *testing.T) {
	for name, parameters := range map[string]Parameters{"IOPS": {MaxIOPS: 500}, "throughput": {MaxThroughput: 500 * 8 << 10}} {
		d := newDisk()
		var did []float64
		for i := range 600 {
			l := load{id: "limited", parameters: parameters, size: 8 << 10, wants: 9000, depth: 32, written: []float64{0, 1, 0.5, 0.9}[i/20%4]}
			if i/50%5 == 0 {
				l.wants = 0
			}
			did = append(did, d.pass(l)["limited"])
		}
		did = did[1:] // before the first look there is nothing to be held to
		for i := range len(did) - 50 {
			sum := 0.0
			for _, rate := range did[i : i+50] {
				sum += rate / 50
			}
			if sum > 1.05*500 {
				t.Fatalf("%s: %.0f in the five seconds from %v", name, sum, time.Duration(i)*tick)
			}
		}
	}
}
