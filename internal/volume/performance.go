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

// Performance tells of the volume of that handle; nil when nobody uses it. It is not
// known while the volume's pool cannot be used, or nobody governs it.
func (p *Pools) Performance(handle string) (of *qos.Performance, known bool) {
	pool, id, err := p.Of(handle)
	if err != nil {
		return nil, false
	}
	all := pool.Performance()
	if is, inUse := all[id]; inUse {
		return &is, true
	}
	return nil, all != nil
}

// tell keeps what is known now for whoever asks.
func (g *governing) tell() {
	known := make(map[string]qos.Performance, len(g.volumes))
	for id, v := range g.volumes {
		known[id] = v.meter.Performance()
	}
	g.pool.performance.Store(&known)
}
