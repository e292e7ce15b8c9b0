package fence

import (
	"strings"
	"testing"
	"time"
)

// calm is a cluster of five nodes, with three pets, that has come to rest, without chance.
func calm(t *testing.T) *world {
	w := newWorld(1, 5, "", true)
	w.faults = false
	for _, h := range w.hosts {
		h.powerOn()
	}
	w.run(10 * time.Second)
	if err := w.settled(w.hosts); err != nil {
		t.Fatal(err)
	}
	return w
}

// What must not fail over: the same pods run after it as before. A wall clock that
// is stepped is not among these because nothing here reads one.
func TestWhatDoesNotFailOver(t *testing.T) {
	for name, happens := range map[string]func(*world, *host){
		"the engine restarts": func(w *world, h *host) {
			h.engine = false
			w.after(4500*time.Millisecond, func() { h.engine = true })
		},
		"the API is out for ten minutes": func(w *world, _ *host) {
			w.api.down = true
			w.after(10*time.Minute, func() { w.api.down = false })
		},
		"the API is out for ten minutes, and every engine with it": func(w *world, _ *host) {
			w.api.down = true
			for _, h := range w.hosts {
				h.engine = false
			}
			w.after(10*time.Minute, func() {
				w.api.down = false
				for _, h := range w.hosts {
					h.engine = true
				}
			})
		},
		"the API is out for ten minutes, and so is a node without pets": func(w *world, _ *host) {
			w.api.down = true
			for _, h := range w.hosts {
				if len(h.running) == 0 {
					h.powerOff()
					break
				}
			}
			w.after(10*time.Minute, func() { w.api.down = false })
		},
		"a renewal is lost": func(w *world, h *host) {
			w.cut[[2]string{h.name, "api"}] = true
			w.after(w.terms.Renew, func() { clear(w.cut) })
		},
		"a node is paused for less than its lease": func(w *world, h *host) {
			h.pause()
			w.after(w.terms.Term-w.terms.Renew-200*time.Millisecond, h.resume)
		},
		"a keeper is killed, and back in time": func(w *world, h *host) {
			h.killKeeper()
			w.after(2*time.Second, h.startKeeper)
		},
		"judges restart, and change": func(w *world, _ *host) {
			for i, j := range w.judges {
				j.restart()
				j.leads = !j.leads
				w.after(time.Duration(i+1)*time.Second, j.restart)
			}
		},
		"a judge is paused for long": func(w *world, _ *host) {
			w.judges[0].paused = true
			w.after(time.Minute, func() { w.judges[0].paused = false })
		},
		"all nodes but one lose the API": func(w *world, _ *host) {
			for _, h := range w.hosts[1:] {
				w.cut[[2]string{h.name, "api"}] = true
			}
			w.after(time.Minute, func() { clear(w.cut) })
		},
	} {
		w := calm(t)
		before, runs := w.api.uids, runningOn(w)
		happens(w, busy(w))
		w.run(11 * time.Minute)
		if w.violation != nil || w.api.uids != before {
			t.Errorf("%s: %d pods were replaced (%v)\n%s", name, w.api.uids-before, w.violation, strings.Join(w.story, "\n"))
		}
		if after := runningOn(w); after != runs {
			t.Errorf("%s: %d pets run, and %d did", name, after, runs)
		}
	}
}

// What must fail over, and how soon: the share of the fence in ten seconds, with
// what the test's API and kubelet take.
func TestHowSoonItFailsOver(t *testing.T) {
	for name, test := range map[string]struct {
		happens func(*world, *host)
		within  time.Duration
	}{
		"power":             {func(_ *world, h *host) { h.powerOff() }, 4700 * time.Millisecond},
		"hang":              {func(_ *world, h *host) { h.pause() }, 4700 * time.Millisecond},
		"network":           {func(w *world, h *host) { w.isolate(h, w.places()...) }, 4700 * time.Millisecond},
		"the servers alone": {func(w *world, h *host) { w.isolate(h, "api", "s0", "s1") }, 6700 * time.Millisecond},
		"engine":            {func(_ *world, h *host) { h.engine = false }, 6500 * time.Millisecond},
		"leaves":            {func(_ *world, h *host) { h.act(h.keeper.Leave(h.now())) }, time.Second},
	} {
		w := calm(t)
		h := busy(w)
		runs, began := runningOn(w), w.now
		test.happens(w, h)
		for len(h.running) > 0 && h.on && !h.paused || runningOn(w)-len(h.running) < runs {
			w.run(10 * time.Millisecond)
			if w.violation != nil || w.now > began+time.Minute {
				t.Fatalf("%s: %v\n%s", name, w.violation, strings.Join(w.story, "\n"))
			}
		}
		took := w.now - began
		t.Logf("%s: %v", name, took)
		if took > test.within {
			t.Errorf("%s: it took %v until all pets ran again, more than %v", name, took, test.within)
		}
	}
}

// isolate cuts a host off from all of these, for ever.
func (w *world) isolate(h *host, others ...string) {
	for _, other := range others {
		w.cut[[2]string{h.name, other}], w.cut[[2]string{other, h.name}] = true, true
	}
}

func busy(w *world) *host {
	for _, h := range w.hosts {
		if len(h.running) > 0 {
			return h
		}
	}
	return nil
}

func runningOn(w *world) (n int) {
	for _, h := range w.hosts {
		n += len(h.running)
	}
	return n
}
