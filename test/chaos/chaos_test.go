package chaos

import (
	"flag"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

var (
	runs           = flag.Int("runs", 1, "failovers of each kind of loss")
	outage         = flag.Duration("outage", 20*time.Second, "how long the control plane is away")
	databaseLosses = flag.Int("database-losses", 2, "how often the node of a database is lost")
	seed           = flag.Uint64("seed", 0, "when lost nodes come back; 0: at random")
)

// TestChaos loses machines of one cluster, and does to it what is no loss.
func TestChaos(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", *seed)
	c := start(t)
	c.startPet(t)
	_ = t.Run("what is no loss", c.tryDisturbances) &&
		t.Run("lost nodes", c.tryLosses) &&
		t.Run("more than half at once", c.tryTooMany) &&
		t.Run("PostgreSQL", c.tryPostgres)
}

// tryLosses loses the pet's node in every way, and lets it come back at the worst moment.
func (c *cluster) tryLosses(t *testing.T) {
	random, found := rand.New(rand.NewPCG(*seed, 0)), results{}
	for _, l := range losses {
		whole := t.Run(l.name, func(t *testing.T) {
			for over, run := 0, 0; over < *runs && run < 2**runs+3; run++ {
				must(t, os.Truncate(c.beats, 0)) // the pet appends
				o := c.lose(t, petPod, l, anyTime(random))
				c.checkPet(t, &o)
				t.Log(o)
				found[l.name] = append(found[l.name], o)
				if len(o.took) > 0 {
					over++
				}
			}
		})
		if !whole {
			break // the cluster is not what it was
		}
	}
	t.Logf("seconds until the pet was Ready elsewhere, and the median of each step:\n%s", found.table(losses))
}

// anyTime is when a lost node comes back: the worst moment is among them.
func anyTime(random *rand.Rand) time.Duration {
	return time.Duration(random.IntN(15_000)) * time.Millisecond
}
