package volume

import "github.com/mainstay-io/mainstay/internal/volume/qos"

// Performance tells what the volumes that are attached do, and whether they get
// what they were promised, by volume ID. It is a second old at most while Govern
// runs, and empty otherwise.
func (p *Pool) Performance() map[string]qos.Performance {
	if known := p.performance.Load(); known != nil {
		return *known
	}
	return nil
}

// tell keeps what is known now for whoever asks.
func (g *governing) tell() {
	known := make(map[string]qos.Performance, len(g.volumes))
	for id, v := range g.volumes {
		known[id] = v.meter.Performance()
	}
	g.pool.performance.Store(&known)
}
