package fence

import (
	"testing"
	"time"
)

func TestFeed(t *testing.T) {
	terms := DefaultTerms()
	for _, test := range []struct {
		name     string
		boot     string
		deadline time.Duration // from now
		want     time.Duration
	}{
		{"just renewed", "boot", terms.Term, 3 * time.Second},
		{"whole seconds, rounded down", "boot", 3*time.Second - terms.Stop - 1, 2 * time.Second},
		{"the time to stop pets is in it", "boot", 3*time.Second - terms.Stop, 3 * time.Second},
		{"less than a second is left", "boot", time.Second - terms.Stop - 1, 0},
		{"the deadline is past", "boot", 0, 0},
		{"another boot's deadline", "the last", terms.Term, 0},
	} {
		now := Instant(time.Hour)
		d := Deadline{Boot: test.boot, Epoch: 1, Until: now.Add(test.deadline)}
		if got := terms.Feed(d, "boot", now); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// However late a node that had no pets learns of a lease that it has, the watchdog that it fed
// before resets it in time.
func TestFeedStopped(t *testing.T) {
	terms := DefaultTerms()
	fed, sent := Instant(time.Hour), Instant(time.Hour).Add(-terms.Renew)
	if reset, stopped := fed.Add(terms.FeedStopped()), sent.Add(terms.Term+terms.Stop); reset > stopped {
		t.Errorf("it resets the machine %v after its pets must have stopped", reset.Sub(stopped))
	}
	if terms.FeedStopped() < time.Second {
		t.Error("it can never be fed")
	}
}
