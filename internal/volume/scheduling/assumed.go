package scheduling

import (
	"sync"
	"time"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// patience is how long a promise counts that the Pool does not show. A node that
// has begun to make a volume shows it after seconds; it has the last word anyhow.
const patience = time.Minute

// assumptions are the promises that nodes were chosen for, until their Pools show
// them.
type assumptions struct {
	mu sync.Mutex
	// byVolume has one promise for a volume: it is made on one node only.
	byVolume map[string]promise
}

// add notes what a node was chosen for. Space is not promised.
func (a *assumptions) add(node string, asks []ask, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, wanted := range asks {
		if wanted.anything() {
			a.byVolume[wanted.volume] = promise{ask: wanted, node: node, since: now}
		}
	}
}

// drop forgets what a node was chosen for in vain.
func (a *assumptions) drop(asks []ask) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, wanted := range asks {
		delete(a.byVolume, wanted.volume)
	}
}

// on gives what was assumed of a node's pools, and forgets what is too old.
func (a *assumptions) on(node string, now time.Time) []promise {
	a.mu.Lock()
	defer a.mu.Unlock()
	var there []promise
	for volume, p := range a.byVolume {
		switch {
		case now.Sub(p.since) > patience:
			delete(a.byVolume, volume)
		case p.node == node:
			there = append(there, p)
		}
	}
	return there
}

// settle forgets what the Pool shows.
func (a *assumptions) settle(pool *v1alpha1.Pool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, v := range pool.Status.Volumes {
		delete(a.byVolume, v.Name)
	}
}
