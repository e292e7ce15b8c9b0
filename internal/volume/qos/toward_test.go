package qos

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestToward(t *testing.T) {
	for _, c := range []struct {
		why             string
		current, wanted int64
		written         time.Duration
		want            int64
	}{
		{"there was none", 0, 10, 0, 10},
		{"there is to be none", 10, 0, 0, 0},
		{"up, at once", 10, 1000, 0, 1000},
		{"down a little, late in the slice", 1000, 900, 80 * time.Millisecond, 900},
		{"down as far as the rest of the slice allows", 1000, 1, 80 * time.Millisecond, 300},
		{"not down at the beginning of the slice", 1000, 1, 5 * time.Millisecond, 1000},
		{"not down after the slice, but written again", 1000, 1, 101 * time.Millisecond, 1000},
		{"never to none by rounding", 1, 1, 90 * time.Millisecond, 1},
	} {
		if got := toward(c.current, c.wanted, c.written); got != c.want {
			t.Errorf("%s: %d, expected %d", c.why, got, c.want)
		}
	}
}

// Whenever a limit is written, what the kernel has let through at the beginning of
// a slice is no more than was allowed since and is allowed in the next one: so no
// kernel takes it for a credit. And the limit gets to where it is wanted.
func TestTowardLeavesNoCredit(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 10_000 {
		current, wanted := 1+random.Int64N(1<<40), 1+random.Int64N(1<<20)
		for looks := 0; current != wanted; looks++ {
			written := 40*time.Millisecond + time.Duration(random.IntN(70))*time.Millisecond // as late as it may be on a busy machine
			next := toward(current, wanted, written)
			if through, allowed := float64(current), float64(current)*written.Seconds()/slice.Seconds(); written < slice && through > allowed+float64(next) {
				t.Fatalf("from %d to %d after %v", current, next, written)
			}
			if written >= slice && next < current {
				t.Fatalf("from %d to %d after %v", current, next, written)
			}
			if current = next; looks > 200 {
				t.Fatalf("it is %d, and should be %d", current, wanted)
			}
		}
	}
}
