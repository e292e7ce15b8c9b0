package agent

import (
	"time"

	"k8s.io/klog/v2"

	"github.com/mainstay-io/mainstay/internal/fence"
)

// feeding is how often the executioner looks whether to feed the watchdog: many times in
// the least that one can wait.
const feeding = 100 * time.Millisecond

// guard is the executioner's watchdog. What the executioner cannot stop, or when it is
// itself no more, ends with the machine.
type guard struct {
	open   func() (Watchdog, error) // nil: none is wanted
	memory *Memory
	say    func(func(klog.Logger))

	watchdog Watchdog      // nil: not open
	again    fence.Instant // when to try once more to open it
	resets   fence.Instant // when it resets the machine; 0: it was never fed
	told     string
}

// next is when to look again, at the latest at a deadline.
func (g *guard) next(deadline fence.Instant) fence.Instant {
	if g.open == nil {
		return deadline
	}
	return min(deadline, now().Add(feeding))
}

// feed puts the machine's reset off to so long from now, if that is later than it is.
func (g *guard) feed(timeout time.Duration) {
	at := now()
	if g.open == nil || timeout < time.Second || at.Add(timeout) <= g.resets || !g.opened(at) {
		return
	}
	err := g.watchdog.Feed(timeout)
	switch {
	case err == nil:
		g.resets, g.told = at.Add(timeout), ""
		g.memory.setGuarded(true)
	case g.resets == 0: // it is none that can be used
		g.close()
		g.again = at.Add(tryAgain)
	}
	g.tell(err)
}

func (g *guard) opened(at fence.Instant) bool {
	if g.watchdog != nil || at < g.again {
		return g.watchdog != nil
	}
	watchdog, err := g.open()
	if err != nil {
		g.again = at.Add(tryAgain)
		g.tell(err)
		return false
	}
	g.watchdog = watchdog
	return true
}

// tell tells what is wrong once.
func (g *guard) tell(err error) {
	if err == nil || err.Error() == g.told {
		return
	}
	g.told = err.Error()
	g.say(func(log klog.Logger) { log.Error(err, "The watchdog is not fed; trying again") })
}

// close leaves the machine as if there had been none.
func (g *guard) close() {
	g.memory.setGuarded(false)
	if g.watchdog == nil {
		return
	}
	if err := g.watchdog.Disarm(); err != nil {
		g.say(func(log klog.Logger) { log.Error(err, "The watchdog may not be stopped: it may reset this machine") })
	}
	g.watchdog, g.resets = nil, 0
}
