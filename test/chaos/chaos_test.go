package chaos

import (
	"flag"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/internal/fence"
)

var (
	runs           = flag.Int("runs", 5, "failovers of each kind of loss")
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
		t.Run("volumes lost with their node", c.tryVolumeLoss) &&
		t.Run("more than half at once", c.tryTooMany) &&
		t.Run("PostgreSQL", c.tryPostgres)
}

// tryLosses loses the pet's node in every way, again and again, and lets it come back at
// the worst moment. The ways take turns: a node that comes back is not always in the same state.
func (c *cluster) tryLosses(t *testing.T) {
	random, found := rand.New(rand.NewPCG(*seed, 0)), results{}
	defer func() {
		t.Logf("seconds until the pet was Ready elsewhere, and the median of each step:\n%s", found.table(losses))
	}()
	for run := 0; run < 2**runs+3; run++ {
		for _, i := range random.Perm(len(losses)) {
			l, back := losses[i], anyTime(random)
			if len(found[l.name].ready()) == *runs {
				continue
			}
			whole := t.Run(l.name, func(t *testing.T) {
				must(t, os.Truncate(c.beats, 0)) // the pet appends
				o := c.lose(t, petPod, l, back)
				c.checkPet(t, &o)
				t.Log(o)
				found[l.name] = append(found[l.name], o)
			})
			if !whole {
				return // the cluster is not what it was
			}
		}
	}
	for _, l := range losses {
		if len(found[l.name]) == 0 {
			continue // -run left it out
		}
		if n := len(found[l.name].ready()); n < *runs {
			t.Errorf("%s: the pet came back elsewhere %d times only", l.name, n)
		} else if p99 := quantile(found[l.name].ready(), 0.99); p99 > promised {
			t.Errorf("%s: the pet was away for %s (p99), longer than %s", l.name, round(p99), promised)
		}
	}
}

// anyTime is when a lost node comes back: from when its lease is closed, which before it
// would hardly notice. The worst moment is among them.
func anyTime(random *rand.Rand) time.Duration {
	return fence.DefaultTerms().Close + time.Duration(random.IntN(12_000))*time.Millisecond
}
