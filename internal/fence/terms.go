package fence

import (
	"errors"
	"fmt"
	"time"
)

// Instant is a reading of a machine's CLOCK_BOOTTIME: monotonic, and running on
// while the machine sleeps. It means nothing on another machine or after a reboot,
// and is never sent anywhere.
type Instant time.Duration

// Add returns the instant that is d later.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d) }

// Sub returns how much later i is than earlier.
func (i Instant) Sub(earlier Instant) time.Duration { return time.Duration(i - earlier) }

// Terms are the durations on which keepers and judges of a cluster agree.
type Terms struct {
	// Term: a renewal holds so long, counted from before it was sent.
	Term time.Duration
	// Renew: the keeper renews so often, and gives a request so long before it
	// tries again.
	Renew time.Duration
	// Stop: within so long of running out, every pet of the node is surely stopped.
	Stop time.Duration
	// Drift is by how much of itself a clock may go wrong, fast or slow. The kernel
	// slews by 0.0005 at most (adjtimex(2)), and quartz is better than that.
	Drift float64
	// Close: after so long without a renewal the judge closes the lease. A node that lives
	// takes it back, and no pet notices.
	Close time.Duration
	// Wait: after so long without a renewal the judge takes it that none holds.
	Wait time.Duration
	// Engine: a keeper whose engine is silent for so long gives the node up. A
	// restart of the engine must fit.
	Engine time.Duration
	// Blind: a judge that the API did not answer for so long has not been watching.
	Blind time.Duration
}

// DefaultTerms leave more than half of ten seconds to start a pet elsewhere.
func DefaultTerms() Terms {
	return Terms{
		Term:   3500 * time.Millisecond,
		Renew:  800 * time.Millisecond,
		Stop:   300 * time.Millisecond,
		Drift:  0.01,
		Close:  2400 * time.Millisecond,
		Wait:   4 * time.Second,
		Engine: 5 * time.Second,
		Blind:  time.Second,
	}
}

// Check says what is wrong with the terms, if anything. Nothing here is safe with
// terms that it refuses.
func (t Terms) Check() error {
	if t.Renew <= 0 || t.Stop <= 0 || t.Blind <= 0 || t.Engine <= 0 {
		return errors.New("terms of the fence: all durations must be more than zero")
	}
	if t.Drift < 0 || t.Drift > 0.1 {
		return fmt.Errorf("terms of the fence: drift is %v; give it as a fraction from 0 to 0.1", t.Drift)
	}
	if t.Term < 4*t.Renew {
		return fmt.Errorf("terms of the fence: a term of %v cannot bear that a renewal is lost: make it at least 4 × %v", t.Term, t.Renew)
	}
	if needed := t.surely(); t.Wait < needed {
		return fmt.Errorf("terms of the fence: the judge waits %v, but a node may run its pets for %v: make the wait at least that long", t.Wait, needed)
	}
	if t.suspect() < t.Renew || t.Close > t.Wait {
		return fmt.Errorf("terms of the fence: the judge closes a lease after %v: make that at least 2.5 × %v, so that it bears a lost renewal, and at most %v", t.Close, t.Renew, t.Wait)
	}
	if t.Blind >= t.Wait {
		return fmt.Errorf("terms of the fence: a judge that sees nothing for %v must not judge after %v", t.Blind, t.Wait)
	}
	return nil
}

// surely is the one inequality's other side: when so long has passed on the
// fastest clock, Term and Stop have passed on the slowest.
func (t Terms) surely() time.Duration {
	return time.Duration(float64(t.Term+t.Stop) * (1 + t.Drift) / (1 - t.Drift))
}

// suspect: a node that was silent for so long seems lost. It is less than Close by the
// spread of renewals, so that nodes that are lost at once are counted before the first
// of them is closed.
func (t Terms) suspect() time.Duration { return t.Close - 3*t.Renew/2 }

// quiet: when no renewal was acknowledged for so long, the API does not answer.
func (t Terms) quiet() time.Duration { return 2 * t.Renew }
