package qos

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

func envelope(iops, throughput int64) Envelope {
	return Envelope{ReadIOPS: iops, WriteIOPS: 2 * iops, ReadThroughput: 3 * throughput, WriteThroughput: throughput}
}

func TestAdmit(t *testing.T) {
	// 30 % of it is promised by operations, 20 % by bytes.
	pool := Ledger{Envelope: envelope(1000, 1000), Promised: []Parameters{{MinIOPS: 300}, {MinThroughput: 200}, {MaxIOPS: 5}}}
	for _, c := range []struct {
		why        string
		pool       Ledger
		had, wants Parameters
		admitted   bool
	}{
		{"no promise needs no measurement", Ledger{}, Parameters{}, Parameters{MaxIOPS: 5}, true},
		{"a pool that was never measured promises nothing", Ledger{}, Parameters{}, Parameters{MinIOPS: 1}, false},
		{"just enough", pool, Parameters{}, Parameters{MinIOPS: 300}, true},
		{"one too many", pool, Parameters{}, Parameters{MinIOPS: 301}, false},
		{"operations and bytes take of the same disk", pool, Parameters{}, Parameters{MinIOPS: 200, MinThroughput: 101}, false},
		{"more than there are numbers for", pool, Parameters{}, Parameters{MinIOPS: 1 << 62, MinThroughput: 1 << 62}, false},
		{"some of its volumes cannot be held back", Ledger{Envelope: envelope(1000, 1000), Unheld: true}, Parameters{}, Parameters{MinIOPS: 1}, false},
		{"less is always given, even by a pool that owes too much", Ledger{Envelope: envelope(10, 10), Promised: pool.Promised},
			Parameters{MinThroughput: 800}, Parameters{MinThroughput: 1}, true},
	} {
		if err := c.pool.Admit(c.had, c.wants); (err == nil) != c.admitted || err != nil && !errors.Is(err, ErrNoPerformance) {
			t.Errorf("%s: %v", c.why, err)
		}
	}
}

// Whatever is asked for in whatever order, a pool never promises more than the
// part of its envelope that may be promised.
func TestNeverMoreThanPromisable(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	admitted := 0
	for range 300 {
		pool := Ledger{Envelope: envelope(random.Int64N(100_000), random.Int64N(10<<30))}
		volumes := make([]Parameters, 10)
		for range 100 {
			i := random.IntN(len(volumes))
			wants := Parameters{MinIOPS: random.Int64N(20_000), MinThroughput: random.Int64N(2 << 30)}
			pool.Promised = slices.Delete(slices.Clone(volumes), i, i+1)
			if pool.Admit(volumes[i], wants) != nil {
				continue
			}
			admitted++
			volumes[i] = wants
			if pool.Promised = volumes; pool.Owed() > Promisable+1e-9 {
				t.Fatalf("%+v", pool)
			}
		}
	}
	if admitted < 1000 {
		t.Fatalf("only %d were admitted: the test shows nothing", admitted)
	}
}

// What can be promised holds for new volumes, too, whatever is shared once they
// were written.
func TestPromisesAreForNewVolumes(t *testing.T) {
	e := envelope(1000, 1000)
	e.RewriteThroughput = 2500
	pool := Ledger{Envelope: e}
	if _, throughput := pool.Left(); throughput != 800 {
		t.Errorf("left: %d", throughput)
	}
	if got := e.Settled(); got.Throughput() != 2500 || got.IOPS() != 1000 || e.Throughput() != 1000 {
		t.Errorf("settled: %+v", got)
	}
	if old := envelope(1000, 1000); old.Settled() != old {
		t.Errorf("measured by an earlier Mainstay: %+v", old.Settled())
	}
}
