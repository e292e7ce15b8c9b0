package scheduling

import (
	"maps"
	"slices"
	"sync"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// refused is a pod that found no node, because of what its claims ask for.
type refused struct {
	pod  *core.Pod
	asks []ask
	// unclear: nobody knew what they ask for.
	unclear bool
	// nodes are those that lacked something.
	nodes map[string]bool
	// told is what the claims were told last, and when.
	told   string
	toldAt time.Time
}

// waiting are the pods that found no node.
type waiting struct {
	mu    sync.Mutex
	byPod map[types.UID]refused
}

// tellAgain is after how long a claim is told what it was told already. Events are
// kept for an hour.
const tellAgain = 10 * time.Minute

// add notes what the last attempt has found, and says whether the claims should
// be told of it.
func (w *waiting) add(pod *core.Pod, found *findings, now time.Time) (r refused, tell bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r = w.byPod[pod.UID]
	r.pod, r.asks, r.unclear, r.nodes = pod, found.asks, found.unclear != "", map[string]bool{}
	for node := range found.nodes {
		r.nodes[node] = true
	}
	message := found.refusal()
	tell = message != r.told || now.Sub(r.toldAt) >= tellAgain
	if tell {
		r.told, r.toldAt = message, now
	}
	w.byPod[pod.UID] = r
	return r, tell
}

func (w *waiting) remove(pod *core.Pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.byPod, pod.UID)
}

func (w *waiting) list() []refused {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Values(w.byPod))
}
