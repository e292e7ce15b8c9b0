package volume

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/klog/v2"

	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

const (
	// look is how often volumes are looked at, and lookAtRest the same where nothing
	// is promised or limited, so that they are only measured.
	look, lookAtRest = 80 * time.Millisecond, 400 * time.Millisecond
	// lookFalling is how soon after a limit that is on its way down: it must be written
	// twice within 100 ms (see qos.Limit.Toward), on a busy machine as well.
	lookFalling = 40 * time.Millisecond
	// survey is how often it is looked which volumes there are, and which pods have them.
	survey = time.Second
)

// Govern holds the pool's volumes to their maxima, and those without a promise
// back while one with a promise needs that, until ctx ends. What it held back
// is let go then; maxima stay, as far as the kernel keeps them. Nothing is held
// in a pool whose volumes say nothing of quality of service. Meanwhile
// Performance tells what the volumes do.
func (p *Pool) Govern(ctx context.Context) error {
	g := &governing{pool: p, volumes: map[string]*governed{}}
	defer p.performance.Store(nil)
	defer g.letGo()
	next := time.NewTimer(0)
	defer next.Stop()
	last := time.Now()
	told := ""
	for surveyed := (time.Time{}); ; {
		now := time.Now()
		if now.Sub(surveyed) >= survey {
			if err := g.survey(); err == nil {
				told = ""
			} else if err.Error() != told {
				told = err.Error()
				klog.FromContext(ctx).Error(err, "Cannot look after the quality of service of all volumes", "pool", p.dir)
			}
			g.tell()
			surveyed = now
		}
		g.look(ctx, now.Sub(last))
		last = now
		next.Reset(g.pause())
		select {
		case <-ctx.Done():
			return nil
		case <-p.changed:
			surveyed = time.Time{}
		case <-next.C:
		}
	}
}

// governing is the pool as it was at the last look.
type governing struct {
	pool     *Pool
	governor qos.Governor
	volumes  map[string]*governed // by ID
	// resting: there was nothing to see to, and nobody has looked at groups.
	resting bool
	// falling: a limit is on its way down.
	falling bool
}

// pause is how long to wait until the next look.
func (g *governing) pause() time.Duration {
	switch {
	case g.falling:
		return lookFalling
	case g.resting:
		return lookAtRest
	}
	return look
}

// governed is an attached volume.
type governed struct {
	device  string // /dev/loopN
	number  string // 7:N
	quality qos.Parameters
	pods    []string
	stat    deviceStat
	meter   qos.Meter
	found   foundGroups
	groups  map[string]*governedGroup
}

// governedGroup is a cgroup that may send requests to a volume.
type governedGroup struct {
	counted       counted
	reads, writes qos.Limit
	set           bool // since written
	written       time.Time
}

// survey finds out which volumes are attached, and who has them.
func (g *governing) survey() error {
	envelope, err := g.pool.Envelope()
	if err != nil {
		return err
	}
	g.governor.Envelope = envelope.Settled()
	loops, err := findLoops(g.pool.dir + "/")
	if err != nil {
		return err
	}
	present := map[string]bool{}
	var failed []error
	for _, l := range loops {
		id := filepath.Base(filepath.Dir(l.backing))
		if !validID(id) {
			continue // it is being made, or the pool is being measured
		}
		r, err := g.pool.Get(id)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		number, err := deviceNumber(l.device)
		if err != nil {
			continue // detached meanwhile
		}
		v := g.volumes[id]
		if v != nil && v.device != l.device {
			g.forget(v)
		}
		if v == nil || v.device != l.device {
			v = &governed{device: l.device, number: number, groups: map[string]*governedGroup{}}
			v.stat, _ = readDeviceStat(l.device) // else it shows as a first, large step
			g.volumes[id] = v
		}
		if v.quality != r.Quality {
			v.quality = r.Quality
			for _, group := range v.groups {
				group.set = false // whoever changed it has told the kernel, too
			}
		}
		present[id] = true
	}
	for id, v := range g.volumes {
		if !present[id] {
			g.forget(v)
			delete(g.volumes, id)
		}
	}
	if g.anyLimits() {
		failed = append(failed, g.findPods())
	}
	return errors.Join(failed...)
}

// anyLimits says whether there is anything to see to.
func (g *governing) anyLimits() bool {
	for _, v := range g.volumes {
		if v.quality != (qos.Parameters{}) || v.limited() {
			return true
		}
	}
	return false
}

func (g *governing) findPods() error {
	pods, err := podsByDevice()
	if err != nil {
		return err
	}
	for _, v := range g.volumes {
		v.pods, v.found = pods[v.number], foundGroups{}
	}
	return nil
}

// look is one round: observe, decide, enforce.
func (g *governing) look(ctx context.Context, elapsed time.Duration) {
	var observed []qos.Observed
	ids := slices.Sorted(maps.Keys(g.volumes))
	for _, id := range ids {
		v := g.volumes[id]
		o := v.observe(id, elapsed)
		v.meter.Add(elapsed, o, g.governor.Envelope)
		observed = append(observed, o)
	}
	g.falling = false
	if !g.anyLimits() {
		g.resting = true
		return
	}
	if g.resting {
		// What was done meanwhile was done under no limit, and not in this moment.
		for _, v := range g.volumes {
			clear(v.groups)
			v.found = foundGroups{}
		}
		g.resting = false
		return
	}
	for i, id := range ids {
		observed[i].Flows = g.flows(g.volumes[id], elapsed)
	}
	for i, held := range g.governor.Look(elapsed, observed) {
		if err := g.enforce(g.volumes[ids[i]], held, time.Now()); err != nil {
			klog.FromContext(ctx).Error(err, "Cannot hold a volume to its limits", "volume", ids[i])
		}
	}
}
