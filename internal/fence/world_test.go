package fence

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"
)

// world is a cluster in memory: machines with clocks of their own, a network, an
// API server, judges, pets that run and write. All chance in it comes from one
// seed, and all time from a queue of events.
type world struct {
	rand  *rand.Rand
	terms Terms
	now   time.Duration // true time, which nobody in the world can read
	queue events
	order int

	api    *api
	hosts  []*host
	judges []*judgeProcess
	// cut are the links, from and to, over which nothing goes.
	cut map[[2]string]bool
	// faults: messages get lost and late.
	faults bool
	// broken is a rule that this world does not keep.
	broken string
	// disk is the highest UID that wrote a pet's volume.
	disk map[string]int

	violation error
	telling   bool
	story     []string
}

var pets = []string{"p0", "p1", "p2"}

func newWorld(seed uint64, hosts int, broken string, telling bool) *world {
	w := &world{
		rand: rand.New(rand.NewPCG(seed, 0)), terms: DefaultTerms(), cut: map[[2]string]bool{}, faults: true,
		broken: broken, disk: map[string]int{}, telling: telling,
	}
	if broken == "WAIT" {
		w.terms.Wait = w.terms.Term - w.terms.Renew
		w.terms.Close = w.terms.Wait / 2
	}
	w.api = newAPI(w)
	for i := range hosts {
		w.hosts = append(w.hosts, newHost(w, fmt.Sprintf("n%d", i)))
	}
	for i := range 2 {
		w.judges = append(w.judges, newJudgeProcess(w, fmt.Sprintf("s%d", i), i == 0))
	}
	return w
}

// nodes are the names of all machines.
func (w *world) nodes() (names []string) {
	for _, h := range w.hosts {
		names = append(names, h.name)
	}
	return names
}

// run lets time pass, unless something forbidden has happened.
func (w *world) run(d time.Duration) {
	end := w.now + d
	for w.violation == nil && len(w.queue) > 0 && w.queue[0].at <= end {
		next := heap.Pop(&w.queue).(event)
		w.now = next.at
		next.do()
	}
	w.now = end
}

func (w *world) after(d time.Duration, do func()) {
	w.order++
	heap.Push(&w.queue, event{at: w.now + d, order: w.order, do: do})
}

func (w *world) every(d time.Duration, do func()) {
	w.after(w.upTo(d), func() { w.again(d, do) })
}

func (w *world) again(d time.Duration, do func()) {
	do()
	w.after(d, func() { w.again(d, do) })
}

// send delivers a message, or loses it.
func (w *world) send(from, to string, deliver func()) {
	if w.cut[[2]string{from, to}] || w.faults && w.oneIn(50) {
		return
	}
	delay := time.Millisecond + w.upTo(5*time.Millisecond)
	if w.faults && w.oneIn(20) {
		delay = w.upTo(4 * time.Second)
	}
	w.after(delay, deliver)
}

func (w *world) oneIn(n int) bool { return w.rand.IntN(n) == 0 }

func (w *world) upTo(d time.Duration) time.Duration { return time.Duration(w.rand.Int64N(int64(d))) }

func (w *world) say(format string, values ...any) {
	if w.telling {
		w.story = append(w.story, fmt.Sprintf("%9.3f ", w.now.Seconds())+fmt.Sprintf(format, values...))
	}
}

func (w *world) violated(format string, values ...any) {
	if w.violation == nil {
		w.violation = fmt.Errorf("after %.3f s: %s", w.now.Seconds(), fmt.Sprintf(format, values...))
	}
}

// alone is the oracle, for every pet that runs on a machine: no other machine runs this pet, and none has written its
// volume for a later pod. The disk itself refuses nothing.
func (w *world) alone(h *host) {
	for _, pet := range pets {
		if h.running[pet] != 0 {
			w.alonePet(h, pet)
		}
	}
}

func (w *world) alonePet(h *host, pet string) {
	for _, other := range w.hosts {
		if other != h && other.on && !other.paused && other.running[pet] != 0 {
			w.violated("pet %s runs on %s (uid %d) and on %s (uid %d)", pet, h.name, h.running[pet], other.name, other.running[pet])
		}
	}
	if h.running[pet] < w.disk[pet] {
		w.violated("pet %s, uid %d, writes from %s after uid %d did", pet, h.running[pet], h.name, w.disk[pet])
	}
	w.disk[pet] = h.running[pet]
}

// clock is a machine's CLOCK_BOOTTIME.
type clock struct {
	rate   float64
	booted time.Duration
	asleep time.Duration // taken off by a clock that stops in sleep
}

func (w *world) newClock() clock {
	drift := w.terms.Drift
	if w.broken == "DRIFT" {
		drift = 0.2
	}
	// The worst clocks show most.
	rate := 1 + drift*[]float64{-1, 1, 2*w.rand.Float64() - 1}[w.rand.IntN(3)]
	return clock{rate: rate, booted: w.now - w.upTo(time.Hour)}
}

func (c clock) read(now time.Duration) Instant {
	return Instant(float64(now-c.booted-c.asleep) * c.rate)
}

// until is how long to wait, in true time, until the clock shows the instant.
func (c clock) until(now time.Duration, at Instant) time.Duration {
	return time.Duration(float64(at-c.read(now))/c.rate) + 1
}

type event struct {
	at    time.Duration
	order int
	do    func()
}

// events is a queue by time.
type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].order < e[j].order
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}
