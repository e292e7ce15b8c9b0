package volume

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/internal/volume/qos"
	"github.com/mainstay-io/mainstay/internal/volume/volumetest"
)

// A pool promises nothing before it was measured; then what it was measured to
// do, and what one volume has no other gets, until it is deleted.
func TestPromisesOfAPool(t *testing.T) {
	volumetest.RequireRoot(t)
	p, err := Open(filepath.Join(volumetest.Dir(t), "pool"))
	must(t, err)
	guaranteed := func(name string, iops int64) error {
		_, err := p.Create(context.Background(), Spec{Name: name, RequiredBytes: 8 * mib, FileSystem: RawBlock, Quality: qos.Parameters{MinIOPS: iops}})
		return err
	}
	refused := func(why string, err error) {
		t.Helper()
		if !errors.Is(err, qos.ErrNoPerformance) {
			t.Errorf("%s: %v", why, err)
		}
	}
	refused("before it was measured", guaranteed("early", 1))
	must(t, p.writeEnvelope(qos.Envelope{ReadIOPS: 1000, WriteIOPS: 1000, ReadThroughput: 1 << 30, WriteThroughput: 1 << 30}))
	must(t, guaranteed("a", 500))
	must(t, guaranteed("a", 500)) // again
	refused("more than is left", guaranteed("b", 301))
	must(t, guaranteed("b", 300))
	_, err = p.Modify("b", map[string]string{"minIops": "301"})
	refused("more than is left, for one that has some", err)
	_, err = p.Modify("a", map[string]string{"minIops": "100"})
	must(t, err)
	_, err = p.Modify("b", map[string]string{"minIops": "700", "maxIops": "900"})
	must(t, err)
	if r, err := p.Get("b"); err != nil || r.Quality != (qos.Parameters{MinIOPS: 700, MaxIOPS: 900}) {
		t.Errorf("b has %+v (%v)", r.Quality, err)
	}
	must(t, p.Delete("b"))
	must(t, guaranteed("c", 700))
	for _, id := range []string{"a", "c"} {
		must(t, p.Delete(id))
	}
}

// However many ask at once, no more is promised than may be.
func TestPromisesAtOnce(t *testing.T) {
	volumetest.RequireRoot(t)
	p, other := openTwice(t)
	must(t, p.writeEnvelope(qos.Envelope{ReadIOPS: 1000, WriteIOPS: 1000, ReadThroughput: 1 << 30, WriteThroughput: 1 << 30}))
	var group sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for i := range 20 {
		group.Go(func() {
			_, err := []*Pool{p, other}[i%2].Create(context.Background(), Spec{Name: string(rune('a' + i)), RequiredBytes: 8 * mib, FileSystem: RawBlock,
				Quality: qos.Parameters{MinIOPS: 100}})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				made++
			} else if !errors.Is(err, qos.ErrNoPerformance) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if ledger, err := p.Ledger(); err != nil || made != 8 || ledger.Owed() > qos.Promisable+1e-9 {
		t.Errorf("%d volumes were promised 100 IOPS each of 800 (%v)", made, err)
	}
}

func TestProbe(t *testing.T) {
	volumetest.RequireRoot(t)
	dir := volumetest.Dir(t)
	p, err := Open(filepath.Join(dir, "pool"))
	must(t, err)
	var told []string
	e, err := p.Probe(context.Background(), 20*time.Millisecond, func(doing string) { told = append(told, doing) })
	must(t, err)
	if min(e.IOPS(), e.Throughput(), int64(e.WriteLatency), int64(e.WriteLatencyP99-e.WriteLatency)) < 1 {
		t.Errorf("measured: %+v", e)
	}
	if len(told) != 1+5*probeRounds {
		t.Errorf("told: %q", told)
	}
	if kept, err := p.Envelope(); err != nil || kept != e {
		t.Errorf("kept: %+v (%v)", kept, err)
	}
	left, err := filepath.Glob(filepath.Join(p.dir, ".creating*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v (%v)", left, err)
	}

	ctx, cancel := context.WithCancel(context.Background())
	_, err = p.Probe(ctx, time.Hour, func(string) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	for _, l := range volumetest.Leftovers(t, dir) {
		t.Errorf("left: %s", l)
	}
	must(t, os.WriteFile(filepath.Join(p.dir, envelopeFile), []byte("{"), 0o600))
	if _, err := p.Ledger(); err == nil {
		t.Error("a damaged envelope was taken for one")
	}
}
