package chaos

import (
	"maps"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// step is one on the way from the loss of a node to the pet that is back.
type step string

// The steps, in the order in which they are expected.
const (
	closed    step = "closed"
	fenced    step = "fenced"
	deleted   step = "deleted"
	created   step = "created"
	scheduled step = "scheduled"
	attached  step = "attached"
	started   step = "started"
	ready     step = "ready"
)

var steps = []step{closed, fenced, deleted, created, scheduled, attached, started, ready}

// event is a step that was seen in the API.
type event struct {
	at   time.Duration // CLOCK_BOOTTIME
	step step
	node string // of closed, fenced and attached
	// name and pod are of the others.
	name string
	pod  types.UID
}

// failover tells how long after the loss of a node each step came; old was its pet.
// What is missing has not come.
func failover(events []event, lost time.Duration, node string, old *core.Pod) map[step]time.Duration {
	took := map[step]time.Duration{}
	for _, e := range events {
		mine := e.name == old.Name && e.pod != old.UID
		switch e.step {
		case closed, fenced:
			mine = e.node == node
		case attached:
			mine = e.node != node
		case deleted:
			mine = e.pod == old.UID
		}
		if _, before := took[e.step]; mine && !before {
			took[e.step] = e.at - lost
		}
	}
	return took
}

func TestFailover(t *testing.T) {
	old := &core.Pod{ObjectMeta: meta.ObjectMeta{Name: "pet-0", UID: "1"}}
	took := failover([]event{
		{at: 101, step: ready, name: "pet-0", pod: "1"}, // as before
		{at: 102, step: attached, node: "a"},
		{at: 103, step: closed, node: "c"},
		{at: 104, step: closed, node: "a"},
		{at: 105, step: fenced, node: "a"},
		{at: 106, step: ready, name: "db-0", pod: "7"},
		{at: 107, step: deleted, name: "pet-0", pod: "1"},
		{at: 108, step: attached, node: "b"},
		{at: 109, step: ready, name: "pet-0", pod: "2"},
		{at: 110, step: ready, name: "pet-0", pod: "3"},
	}, 100, "a", old)
	if want := (map[step]time.Duration{closed: 4, fenced: 5, deleted: 7, attached: 8, ready: 9}); !maps.Equal(took, want) {
		t.Errorf("%v, not %v", took, want)
	}
}
