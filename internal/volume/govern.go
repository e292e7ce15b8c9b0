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
	// look is how often volumes are looked at, and survey how often it is looked
	// which there are, and which pods have them. A limit that is to fall must be
	// written twice within 100 ms: see qos.Limit.Toward.
	look, survey = 80 * time.Millisecond, time.Second
)

// Govern holds the pool's volumes to their maxima, and those without a promise
// back while one with a promise needs that, until ctx ends. What it held back
// is let go then; maxima stay, as far as the kernel keeps them. It does nothing
// for a pool whose volumes say nothing of quality of service.
func (p *Pool) Govern(ctx context.Context) error {
	g := &governing{pool: p, volumes: map[string]*governed{}}
	defer g.letGo()
	ticks := time.NewTicker(look)
	defer ticks.Stop()
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
			surveyed = now
		}
		g.look(ctx, now.Sub(last))
		last = now
		select {
		case <-ctx.Done():
			return nil
		case <-p.changed:
			surveyed = time.Time{}
		case <-ticks.C:
		}
	}
}

// governing is the pool as it was at the last look.
type governing struct {
	pool     *Pool
	governor qos.Governor
	volumes  map[string]*governed // by ID
	// resting: there was nothing to see to, and nobody has looked.
	resting bool
}

// governed is an attached volume.
type governed struct {
	device  string // /dev/loopN
	number  string // 7:N
	quality qos.Parameters
	pods    []string
	stat    deviceStat
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
	g.governor.Envelope = envelope
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
		v.pods = pods[v.number]
	}
	return nil
}

// look is one round: observe, decide, enforce.
func (g *governing) look(ctx context.Context, elapsed time.Duration) {
	if !g.anyLimits() {
		g.resting = true
		return
	}
	if g.resting {
		// What was done meanwhile was done under no limit, and not in this moment.
		for _, v := range g.volumes {
			v.stat, _ = readDeviceStat(v.device) // else it shows as a first, large step
			clear(v.groups)
		}
		g.resting = false
		return
	}
	var observed []qos.Observed
	ids := slices.Sorted(maps.Keys(g.volumes))
	for _, id := range ids {
		observed = append(observed, g.observe(id, elapsed))
	}
	for i, held := range g.governor.Look(elapsed, observed) {
		if err := g.enforce(g.volumes[ids[i]], held, time.Now()); err != nil {
			klog.FromContext(ctx).Error(err, "Cannot hold a volume to its limits", "volume", ids[i])
		}
	}
}
