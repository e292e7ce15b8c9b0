package fence

import "time"

// fault breaks something, and mends it after a while.
func (w *world) fault() {
	h := w.hosts[w.rand.IntN(len(w.hosts))]
	j := w.judges[w.rand.IntN(len(w.judges))]
	switch w.rand.IntN(11) {
	case 0:
		h.powerOff()
		w.after(w.shortly(12*time.Second), h.powerOn)
	case 1:
		if h.on && !h.paused {
			h.pause()
			boot := h.boot
			w.after(w.upTo(10*time.Second), func() {
				if h.boot == boot {
					h.resume()
				}
			})
		}
	case 2:
		h.restartKeeper(w.shortly(8 * time.Second))
	case 3:
		if h.on {
			w.say("%s: the engine dies", h.name)
			h.engine = false
			w.after(w.upTo(10*time.Second), func() { h.engine = h.on })
		}
	case 4:
		w.say("api: down")
		w.api.down = true
		w.after(w.upTo(15*time.Second), func() { w.api.down = false; w.say("api: up") })
	case 5, 6:
		sends := w.oneIn(2)
		w.cutOff(h.name, sends, !sends || w.oneIn(2), "api", "s0", "s1")
		for _, other := range w.hosts { // about when they are asked to refuse it
			if other != h && w.oneIn(3) {
				w.after(w.terms.Wait+w.upTo(5*time.Second), func() { other.restartKeeper(w.upTo(time.Second)) })
			}
		}
	case 7:
		w.cutOff(h.name, true, true, w.places()...)
	case 8:
		from, to := w.places()[w.rand.IntN(len(w.places()))], w.places()[w.rand.IntN(len(w.places()))]
		w.cutOff(from, true, w.oneIn(2), to)
	case 9:
		w.say("%s: restarts, and %s leads", j.name, w.judges[0].name)
		j.restart()
		for i, other := range w.judges {
			other.leads = i == 0 || w.oneIn(3) // two may believe that they lead
		}
		w.judges[0], w.judges[1] = w.judges[1], w.judges[0]
	case 10:
		w.say("%s: paused", j.name)
		j.paused = true
		w.after(w.upTo(8*time.Second), func() { j.paused = false; w.say("%s: resumed", j.name) })
	}
}

func (h *host) restartKeeper(after time.Duration) {
	if h.keeper != nil && !h.paused {
		h.killKeeper()
		h.w.after(after, h.local(h.startKeeper))
	}
}

// shortly is up to d, and often much less.
func (w *world) shortly(d time.Duration) time.Duration {
	if w.oneIn(2) {
		d /= 10
	}
	return w.upTo(d)
}

func (w *world) places() []string {
	all := []string{"api"}
	for _, j := range w.judges {
		all = append(all, j.name)
	}
	for _, h := range w.hosts {
		all = append(all, h.name)
	}
	return all
}

// cutOff cuts what a place sends, or receives, or both, for a while.
func (w *world) cutOff(place string, sends, receives bool, others ...string) {
	w.say("%s: cut off, out %v, in %v: %v", place, sends, receives, others)
	for _, other := range others {
		w.cut[[2]string{place, other}] = sends
		w.cut[[2]string{other, place}] = receives
	}
	w.after(w.upTo(15*time.Second), func() {
		for _, other := range others {
			delete(w.cut, [2]string{place, other})
			delete(w.cut, [2]string{other, place})
		}
	})
}

// heal ends all faults.
func (w *world) heal() {
	w.say("all faults end")
	w.faults, w.api.down = false, false
	clear(w.cut)
	for _, h := range w.hosts {
		h.resume()
		h.powerOn()
		h.startKeeper()
		h.engine = true
	}
	for i, j := range w.judges {
		j.paused, j.leads = false, i == 0
	}
}
