package volume

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

const (
	// probeID names the volume that is measured. It never gets a record.
	probeID = "probe"
	// probeBytes is its size, and leastProbeBytes what is too little to tell.
	probeBytes, leastProbeBytes = 512 << 20, 64 << 20
	// probeWorkers make as many requests at once as a busy database does.
	probeWorkers = 32
	smallRequest = 4 << 10
	largeRequest = 1 << 20
)

// Probe measures what the pool can do, and keeps it: from then on the pool can
// promise. It works on a volume of its own, and takes five times as long as each
// measurement may. Others should do little meanwhile, for what they take is not
// measured. Report is told what is being done.
func (p *Pool) Probe(ctx context.Context, each time.Duration, report func(doing string)) (qos.Envelope, error) {
	unlock, err := p.Lock(ctx, probeID)
	if err != nil {
		return qos.Envelope{}, err
	}
	defer unlock()
	dir := filepath.Join(p.dir, creatingPrefix+probeID)
	defer os.RemoveAll(dir)
	device, size, err := p.probeDevice(dir)
	if err != nil {
		return qos.Envelope{}, err
	}
	defer device.Close()
	e, err := measure(ctx, device.Name(), size, each, report)
	if err != nil {
		return qos.Envelope{}, fmt.Errorf("measure the pool %s: %w", p.dir, err)
	}
	e.Measured = time.Now().UTC().Truncate(time.Second)
	return e, p.writeEnvelope(e)
}

// probeDevice makes what is measured.
func (p *Pool) probeDevice(dir string) (device *os.File, size int64, err error) {
	available, err := p.Available()
	if err != nil {
		return nil, 0, err
	}
	if size = min(available/2, probeBytes) / largeRequest * largeRequest; size < leastProbeBytes {
		return nil, 0, fmt.Errorf("%w: to measure the pool, %d MiB must be free in it, and %d are", ErrNoSpace, 2*leastProbeBytes>>20, available>>20)
	}
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
		return nil, 0, err
	}
	image := filepath.Join(dir, imageFile)
	if err := p.allocateAdmitted(image, size, size); err != nil {
		return nil, 0, err
	}
	if device, err = attach(image, whileUsed); err != nil {
		return nil, 0, err
	}
	if err := p.unlimit(device.Name()); err != nil {
		return nil, 0, errors.Join(err, device.Close())
	}
	return device, size, nil
}

// measure does it all, the slowest first: writing every block, so that none is
// written for the first time later.
func measure(ctx context.Context, device string, size int64, each time.Duration, report func(string)) (e qos.Envelope, err error) {
	var failed []error
	do := func(what string, m measurement) done {
		report(what)
		m.device, m.size, m.during = device, size, each
		d, err := m.run(ctx)
		failed = append(failed, err)
		return d
	}
	rate := func(d done) int64 { return int64(float64(len(d.latencies)) / d.took.Seconds()) }
	e.WriteThroughput = largeRequest * rate(do("writing large blocks", measurement{request: largeRequest, workers: 4, write: true, inOrder: true, whole: true}))
	e.ReadThroughput = largeRequest * rate(do("reading large blocks", measurement{request: largeRequest, workers: 4, inOrder: true}))
	e.ReadIOPS = rate(do("reading small blocks at random", measurement{request: smallRequest, workers: probeWorkers}))
	e.WriteIOPS = rate(do("writing small blocks at random", measurement{request: smallRequest, workers: probeWorkers, write: true}))
	single := do("writing one small block after the other", measurement{request: smallRequest, workers: 1, write: true})
	slices.Sort(single.latencies)
	if n := len(single.latencies); n > 0 {
		e.WriteLatency, e.WriteLatencyP99 = single.latencies[n/2], single.latencies[n*99/100]
	}
	return e, errors.Join(failed...)
}

// measurement is one way to use a device for a while.
type measurement struct {
	device  string
	size    int64
	during  time.Duration
	request int64
	workers int
	write   bool // durably
	inOrder bool // else at random
	whole   bool // go on, however long it takes, until all of the device was written
}

type done struct {
	latencies []time.Duration
	took      time.Duration
}

func (m measurement) run(ctx context.Context) (done, error) {
	flags := unix.O_RDWR | unix.O_DIRECT
	if m.write {
		flags |= unix.O_DSYNC
	}
	fd, err := unix.Open(m.device, flags, 0)
	if err != nil {
		return done{}, fmt.Errorf("open %s: %w", m.device, err)
	}
	defer unix.Close(fd)
	var all done
	var mu sync.Mutex
	var group sync.WaitGroup
	var failed []error
	begun := time.Now()
	for worker := range m.workers {
		group.Go(func() {
			latencies, err := m.work(ctx, fd, int64(worker), begun)
			mu.Lock()
			defer mu.Unlock()
			all.latencies, failed = append(all.latencies, latencies...), append(failed, err)
		})
	}
	group.Wait()
	all.took = time.Since(begun)
	return all, errors.Join(failed...)
}

// work is what one of the workers does.
func (m measurement) work(ctx context.Context, fd int, worker int64, begun time.Time) (latencies []time.Duration, err error) {
	// Direct I/O wants memory that begins with a page, as mapped memory does.
	buffer, err := unix.Mmap(-1, 0, int(m.request), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, err
	}
	defer unix.Munmap(buffer) //nolint:errcheck // there is nothing to do about it
	blocks := m.size / m.request
	for i := worker; ctx.Err() == nil; i += int64(m.workers) {
		if time.Since(begun) >= m.during && (!m.whole || i >= blocks) {
			return latencies, nil
		}
		at := i % blocks
		if !m.inOrder {
			at = rand.Int64N(blocks)
		}
		start := time.Now()
		if m.write {
			_, err = unix.Pwrite(fd, buffer, at*m.request)
		} else {
			_, err = unix.Pread(fd, buffer, at*m.request)
		}
		if err != nil {
			return nil, fmt.Errorf("at byte %d of %s: %w", at*m.request, m.device, err)
		}
		latencies = append(latencies, time.Since(start))
	}
	return nil, ctx.Err()
}
