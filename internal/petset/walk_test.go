package petset

import (
	"flag"
	"fmt"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

var (
	seeds     = flag.Uint64("seeds", 2000, "how many random walks to take")
	firstSeed = flag.Uint64("seed", 1, "the first of them")
)

// TestWalks runs sets through random histories: users change their minds, pods
// fail, nodes vanish, caches lag, writes fail or seem to, the controller dies
// between two writes. No step may break what is promised; and when the faults
// end, the set must become what was asked.
//
// A seed that fails is run once more, to tell its story.
func TestWalks(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // worlds are small, and many
	for seed := *firstSeed; seed < *firstSeed+*seeds; seed++ {
		err := newWorld(seed, false).walk()
		if err == nil {
			continue
		}
		again := newWorld(seed, true)
		if failure := again.walk(); failure == nil || failure.Error() != err.Error() {
			t.Errorf("seed %d does not replay: %v", seed, failure)
		}
		t.Fatalf("seed %d: %v\n%s\n%s\nagain: go test ./internal/petset -run TestWalks -args -seed %d -seeds 1",
			seed, err, strings.Join(again.story, "\n"), showPods(again), seed)
	}
}

func (w *world) walk() (err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v", panicked)
			w.say("%s", debug.Stack())
		}
	}()
	for range 90 {
		w.now = w.now.Add(time.Second)
		if w.chance(40) {
			w.now = w.now.Add(time.Duration(w.upTo(400)) * time.Second)
		}
		w.othersAct(true)
		if w.chance(3) {
			continue
		}
		if err := w.controllerActs(true); err != nil {
			return err
		}
	}
	return w.converge()
}

// othersAct: some of all that are not the controller do something.
func (w *world) othersAct(faults bool) {
	switch w.rand.IntN(10) {
	case 0, 1:
		w.userActs()
	case 2:
		w.garbageCollectorActs()
	case 3, 4:
		w.storageActs(faults)
	case 5, 6:
		w.drainsAct(faults)
	case 7:
		w.nodesAct()
	case 8:
		w.applicationActs()
	case 9:
		w.dependencyReady, w.nameTaken = !w.trouble(4), w.nameTaken && w.chance(3)
	}
	for _, name := range w.names() {
		if !w.chance(3) {
			w.kubeletActs(name, faults)
		}
	}
}
