package volume

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

// observe reads what a volume's device did since the last look.
func (v *governed) observe(id string, elapsed time.Duration) qos.Observed {
	observed := qos.Observed{ID: id, Parameters: v.quality}
	if stat, err := readDeviceStat(v.device); err == nil {
		observed.Done = flow(stat.requests-v.stat.requests, stat.bytes-v.stat.bytes, elapsed)
		observed.Requests = float64(stat.requests + stat.flushes - v.stat.requests - v.stat.flushes)
		observed.Took = stat.took - v.stat.took
		observed.Waiting = stat.inFlight > 0
		v.stat = stat
	}
	return observed
}

// flows reads what each group did to a volume since the last look.
func (g *governing) flows(v *governed, elapsed time.Duration) (flows []qos.Flow) {
	t := g.pool.throttle
	if v.found.changed() {
		v.found = t.find(v.pods)
		for _, name := range v.found.names {
			if v.groups[name] == nil {
				v.groups[name] = &governedGroup{counted: t.count(name, v.number)}
			}
		}
		maps.DeleteFunc(v.groups, func(name string, _ *governedGroup) bool { return !slices.Contains(v.found.names, name) })
	}
	for _, name := range v.groupNames() {
		group, now := v.groups[name], t.count(name, v.number)
		flows = append(flows,
			flow(now.reads-group.counted.reads, now.readBytes-group.counted.readBytes, elapsed),
			flow(now.writes-group.counted.writes, now.writtenBytes-group.counted.writtenBytes, elapsed))
		group.counted = now
	}
	return flows
}

func flow(requests, bytes int64, elapsed time.Duration) qos.Flow {
	seconds := max(elapsed, time.Microsecond).Seconds() // two looks may fall together
	return qos.Flow{IOPS: float64(max(requests, 0)) / seconds, Throughput: float64(max(bytes, 0)) / seconds}
}

// groupNames are in the order of a volume's flows, of which each group has two.
func (v *governed) groupNames() []string { return slices.Sorted(maps.Keys(v.groups)) }

// limited says whether something of what was enforced is still in force.
func (v *governed) limited() bool {
	for _, group := range v.groups {
		if group.reads != (qos.Limit{}) || group.writes != (qos.Limit{}) {
			return true
		}
	}
	return false
}

// longAgo is when a limit was written of which it is not known when.
const longAgo = time.Hour

// enforce tells the kernel what has changed, as far as it bears it at once: the rest
// at the next look, which comes the sooner.
func (g *governing) enforce(v *governed, held qos.Held, now time.Time) error {
	t := g.pool.throttle
	var failed []error
	for i, name := range v.groupNames() {
		group, reads, writes := v.groups[name], held.Limits[2*i], held.Limits[2*i+1]
		if group.set && group.reads == reads && group.writes == writes {
			continue
		}
		if t.steps {
			if !group.set {
				group.reads, group.writes = t.inForce(name, v.number)
				group.written = now.Add(-longAgo)
			}
			wantedReads, wantedWrites, written := reads, writes, now.Sub(group.written)
			reads, writes = group.reads.Toward(reads, written), group.writes.Toward(writes, written)
			g.falling = g.falling || reads != wantedReads || writes != wantedWrites
		}
		err := t.set(name, v.number, reads, writes)
		group.reads, group.writes, group.set, group.written = reads, writes, err == nil, now
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// hold tells the kernel of a volume's maxima, or that it has none, before anybody
// can use it or sees the change. The governor does the rest; and where limits fall in
// steps, all of it for those that fall.
func (p *Pool) hold(r Record) error {
	if p.cannotThrottle != nil {
		return nil // then it has none
	}
	defer p.lookAgain()
	loops, err := findLoops(p.image(r.ID))
	if err != nil {
		return err
	}
	pods, err := podsByDevice()
	if err != nil {
		return err
	}
	limit := qos.Limit{IOPS: r.Quality.MaxIOPS, Throughput: r.Quality.MaxThroughput}
	for _, l := range loops {
		number, err := deviceNumber(l.device)
		if err != nil {
			continue // detached meanwhile
		}
		for _, group := range p.throttle.find(pods[number]).names {
			reads, writes := limit, limit
			if p.throttle.steps {
				reads, writes = p.throttle.inForce(group, number)
				reads, writes = reads.Toward(limit, longAgo), writes.Toward(limit, longAgo)
			}
			if err := p.throttle.set(group, number, reads, writes); err != nil {
				return err
			}
		}
	}
	return nil
}

// unlimit removes what a process that was killed may have left in force for whoever
// had the device before.
func (p *Pool) unlimit(device string) error {
	if p.cannotThrottle != nil {
		return nil
	}
	number, err := deviceNumber(device)
	if err != nil {
		return err
	}
	for _, group := range p.throttle.find(nil).names {
		if err := p.throttle.set(group, number, qos.Limit{}, qos.Limit{}); err != nil {
			return err
		}
	}
	return nil
}

// lookAgain wakes the governor of this process, if there is one.
func (p *Pool) lookAgain() {
	select {
	case p.changed <- struct{}{}:
	default: // it is about to
	}
}

// letGo undoes what was done for others' sake.
func (g *governing) letGo() {
	_ = g.survey() // whatever may have changed since the last
	for _, v := range g.volumes {
		maximum := qos.Limit{IOPS: v.quality.MaxIOPS, Throughput: v.quality.MaxThroughput}
		for _, name := range v.groupNames() {
			_ = g.pool.throttle.set(name, v.number, maximum, maximum) // there is nobody to tell
		}
	}
}

// forget removes the limits of a device that is the volume's no more: whoever
// gets the device next is not concerned.
func (g *governing) forget(v *governed) {
	for _, name := range v.groupNames() {
		_ = g.pool.throttle.set(name, v.number, qos.Limit{}, qos.Limit{}) // the group may be gone
	}
}
