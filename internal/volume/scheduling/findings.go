package scheduling

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"k8s.io/kube-scheduler/framework"
)

const stateKey framework.StateKey = Name

// findings are what one attempt to schedule a pod has found.
type findings struct {
	asks []ask
	// unclear is why nobody knows what the pod's claims ask for.
	unclear string

	mu sync.Mutex // nodes are filtered at the same time
	// nodes are those that were refused, with what they lack.
	nodes map[string][]string
}

// demanding: something is asked for that the plugin decides, and not space alone.
func (f *findings) demanding() bool { return slices.ContainsFunc(f.asks, ask.anything) }

// Clone gives the findings themselves: preemption, which plays without some pods,
// finds the same.
func (f *findings) Clone() framework.StateData { return f }

// findingsIn gives those of the attempt; nil for a pod without asks.
func findingsIn(state framework.CycleState) *findings {
	data, err := state.Read(stateKey)
	if err != nil {
		return nil
	}
	return data.(*findings)
}

func (f *findings) refuse(node string, lacks []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nodes[node] = lacks
}

// mostShown is how many nodes a message names.
const mostShown = 5

// refusal says in one line why the pod found no node; empty when that was for
// other reasons alone.
func (f *findings) refusal() string {
	if f.unclear != "" {
		return f.unclear
	}
	var shown []string
	for _, node := range slices.Sorted(maps.Keys(f.nodes)) {
		shown = append(shown, f.nodes[node]...)
	}
	if more := len(shown) - mostShown; more > 0 {
		shown = append(shown[:mostShown], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(shown, "; ")
}
