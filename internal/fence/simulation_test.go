package fence

import (
	"flag"
	"fmt"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

var (
	seeds     = flag.Uint64("seeds", 2000, "how many random histories of clusters to play")
	firstSeed = flag.Uint64("seed", 1, "the first of them")
	rule      = flag.String("break", "", "a rule to break in all of them")
)

// TestSimulation plays random histories of clusters: power cuts, pauses, deaths of
// every process, links cut one way or both, outages of the API, answers lost and
// late, judges that change, nodes that join. No two nodes may ever run one pet. When
// faults end, but for some machines that stay off, every pet runs again.
//
// A seed that fails is played once more, to tell its story.
func TestSimulation(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // worlds are small, and many
	for seed := *firstSeed; seed < *firstSeed+*seeds; seed++ {
		w, err := play(seed, *rule, false)
		if err == nil {
			continue
		}
		again, failure := play(seed, *rule, true)
		if failure == nil || failure.Error() != err.Error() {
			t.Errorf("seed %d does not replay: %v", seed, failure)
		}
		t.Fatalf("seed %d (%d nodes): %v\n%s\nagain: go test ./internal/fence -run TestSimulation -args -seed %d -seeds 1",
			seed, len(w.hosts), err, strings.Join(again.story, "\n"), seed)
	}
}

func play(seed uint64, broken string, telling bool) (*world, error) {
	w := newWorld(seed, 2+int(seed%4), broken, telling)
	for _, h := range w.hosts {
		w.after(w.upTo(5*time.Second), h.powerOn)
	}
	for range 12 {
		w.run(w.shortly(8 * time.Second))
		w.fault()
	}
	w.run(w.shortly(8 * time.Second))
	w.heal()
	if err := w.settle(w.hosts); err != nil {
		return w, err
	}
	// Half of the nodes may be lost for good.
	lost := w.rand.IntN(len(w.hosts)/2 + 1)
	for _, h := range w.hosts[:lost] {
		h.powerOff()
		h.broken = true
	}
	return w, w.settle(w.hosts[lost:])
}

// settle gives every pet 20 seconds to run again.
func (w *world) settle(alive []*host) error {
	err := w.settled(alive)
	for end := w.now + 20*time.Second; err != nil && w.violation == nil && w.now < end; err = w.settled(alive) {
		w.run(time.Second)
	}
	return err
}

// settled: what is forbidden has not happened, every pet runs, and every node that
// lives has committed who the members are.
func (w *world) settled(alive []*host) error {
	if w.violation != nil {
		return w.violation
	}
	for _, pet := range pets {
		running := 0
		for _, h := range alive {
			if h.running[pet] != 0 {
				running++
			}
		}
		if running != 1 {
			return fmt.Errorf("after %.3f s: faults ended, and pet %s (pod on %s) runs %d times; held: %v", w.now.Seconds(), pet, w.api.pods[pet].Spec.NodeName, running, w.judges[0].held)
		}
	}
	for _, h := range alive {
		if lease := w.api.leases[h.name]; len(lease.Members) != len(w.hosts) {
			return fmt.Errorf("after %.3f s: faults ended, and the members of %s are %v", w.now.Seconds(), h.name, lease.Members)
		}
	}
	return nil
}

// Every rule that is kept outside of this package's decisions is needed: a world
// that breaks it comes to two nodes that run one pet.
func TestBrokenRules(t *testing.T) {
	for name, what := range map[string]string{
		"BOOTTIME":     "clocks stop while a machine sleeps",
		"CLAIM":        "a node runs a pod that it has not written to",
		"DRIFT":        "clocks are worse than Terms say",
		"FREEZE":       "the engine starts what it remembers, whatever the keeper says",
		"IGNORANT":     "a member vouches before it has read the leases",
		"KEEPER":       "nobody stops pets when the keeper is dead",
		"NEW_JUDGE":    "a new judge takes it that nobody has renewed",
		"ORDER":        "pods are deleted before Fenced is committed",
		"PRECONDITION": "leases are written whatever their version is",
		"READ":         "a new epoch begins with the pods of the last",
		"STOP":         "a lease that ran out stops nothing",
		"WAIT":         "the judge waits for less than the inequality says",
	} {
		seed := uint64(1)
		var err error
		for ; err == nil && seed <= 4000; seed++ {
			if w, failure := play(seed, name, false); w.violation != nil {
				err = failure
			}
		}
		if err == nil {
			t.Errorf("%s: when %s, no seed shows it", name, what)
			continue
		}
		t.Logf("%-12s seed %4d: %v", name, seed-1, err)
	}
}
