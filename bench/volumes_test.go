package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

// BenchmarkVolumes measures a volume against the plain file system below it, and
// a guaranteed volume beside a neighbour that writes as fast as it can: without
// quality of service, and with it.
func BenchmarkVolumes(b *testing.B) {
	s := newVolumeStage(b)
	before := busyShare(b, 3*time.Second)
	say("measuring the pool")
	envelope, err := s.pool.Probe(b.Context(), 2*time.Second, func(string) {})
	if err != nil {
		b.Fatal(err)
	}
	plain := filepath.Join(s.dir, "plain")
	if err := os.Mkdir(plain, 0o700); err != nil {
		b.Fatal(err)
	}
	database, neighbour := s.volume(b, "database", volume.Ext4), s.volume(b, "neighbour", volume.Ext4)
	// Whatever is written for the first time takes longer, and is not what is compared.
	for dir, size := range map[string]string{plain: databaseSize, database: databaseSize, neighbour: neighbourSize} {
		prepare(b, dir, size)
	}

	// All of a round is compared with one another: the disk of a virtual machine may
	// do three times as much in one minute as in the next.
	var onPlain, alone, without, with, neighbourAlone, neighbourWithout, neighbourWith loads
	var minimum, left, rest sample
	const runs = 3
	for run := range runs {
		say("volumes, run %d of %d", run+1, runs)
		onPlain = append(onPlain, load(b, plain, databaseLoad, volumeSeconds))
		alone = append(alone, load(b, database, databaseLoad, volumeSeconds))
		neighbourAlone = append(neighbourAlone, load(b, neighbour, neighbourLoad, volumeSeconds))
		mine, theirs := both(b, database, neighbour)
		without, neighbourWithout = append(without, mine), append(neighbourWithout, theirs)

		promised := promisedOf(alone[run], envelope)
		s.promise(b, "database", promised)
		stop := s.govern(b)
		load(b, database, databaseLoad, warmUp)
		mine, theirs = both(b, database, neighbour)
		stop()
		s.promise(b, "database", qos.Parameters{})
		with, neighbourWith = append(with, mine), append(neighbourWith, theirs)
		minimum = append(minimum, float64(promised.MinIOPS))
		left = append(left, max(1-envelope.Settled().Share(mine.iops, mine.throughput*(1<<20)), 0))
		rest = append(rest, left[run]*neighbourAlone[run].throughput)
	}
	after := busyShare(b, 3*time.Second)

	fmt.Printf("\n%s\nother work took %.0f %% of the processor just before, %.0f %% just after\n", describeMachine(b), 100*before, 100*after)
	fmt.Printf("the pool was measured to do %d IOPS and %d MiB/s; with quality of service, what the database did of that left %.0f %%\n\n",
		envelope.IOPS(), envelope.Settled().Throughput()>>20, 100*left.median())
	printRows(b, os.Stdout, []row{
		{"database on a volume", perSecond, alone.iops(), "plain file system", onPlain.iops(), true, goal{limit: 0.9, ratio: true, atLeast: true}},
		{"database on a volume, p99", milliseconds, alone.p99(), "plain file system, p99", onPlain.p99(), true, goal{}},
		{"beside a neighbour, QoS off", perSecond, without.iops(), "alone", alone.iops(), true, goal{}},
		{"beside a neighbour, QoS off, p99", milliseconds, without.p99(), "alone, p99", alone.p99(), true, goal{}},
		{"beside a neighbour, QoS on", perSecond, with.iops(), "what it was promised", minimum, true, goal{limit: 0.95, ratio: true, atLeast: true}},
		{"beside a neighbour, QoS on, p99", milliseconds, with.p99(), "alone, p99", alone.p99(), true, goal{limit: 1.3, ratio: true}},
		{"the neighbour, QoS off", mebibytes, neighbourWithout.throughput(), "alone", neighbourAlone.throughput(), true, goal{}},
		{"the neighbour, QoS on", mebibytes, neighbourWith.throughput(), "what is left of that", rest, true, goal{limit: 0.8, ratio: true, atLeast: true}},
	})
	b.ReportMetric(0, "ns/op")
}

const (
	volumeSeconds = 15
	warmUp        = 3
)

// promisedOf promises what a database needs that does four fifths of what it
// would alone, if the pool can promise it.
func promisedOf(alone measured, e qos.Envelope) qos.Parameters {
	return qos.Parameters{MinIOPS: min(int64(0.8*alone.iops), int64(0.75*float64(e.IOPS())))}
}

// volumeStage is a pool with two volumes that are mounted as for pods.
type volumeStage struct {
	dir  string
	pool *volume.Pool
}

const volumeBytes = 1 << 30

func newVolumeStage(b *testing.B) *volumeStage {
	b.Helper()
	s := &volumeStage{dir: b.TempDir()}
	var err error
	if s.pool, err = volume.Open(filepath.Join(s.dir, "pool")); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := volume.Cleanup(filepath.Join(s.dir, "pool"), s.dir); err != nil {
			b.Error(err)
		}
	})
	return s
}

// volume makes one, and returns where it is mounted.
func (s *volumeStage) volume(b *testing.B, name string, fs volume.FileSystem) string {
	b.Helper()
	r, err := s.pool.Create(b.Context(), volume.Spec{Name: name, RequiredBytes: volumeBytes, FileSystem: fs})
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(s.dir, name)
	if err := s.pool.Stage(b.Context(), r.ID, path, nil); err != nil {
		b.Fatal(err)
	}
	return path
}

func (s *volumeStage) promise(b *testing.B, name string, p qos.Parameters) {
	b.Helper()
	if _, err := s.pool.Modify(volume.IDFor(name), map[string]string{"minIops": fmt.Sprint(p.MinIOPS)}); err != nil {
		b.Fatal(err)
	}
}

// govern enforces quality of service until the caller ends it.
func (s *volumeStage) govern(b *testing.B) (stop func()) {
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error)
	go func() { ended <- s.pool.Govern(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}
}

// The loads, as arguments of fio. A database reads and writes pages at random,
// and waits until each is on the disk; its neighbour copies large files, past
// the page cache, so that what it is said to have written was written.
var (
	databaseLoad  = []string{"--rw=randrw", "--bs=8k", "--ioengine=psync", "--direct=1", "--sync=dsync", "--size=" + databaseSize}
	neighbourLoad = []string{"--rw=write", "--bs=1m", "--ioengine=libaio", "--direct=1", "--iodepth=8", "--size=" + neighbourSize}
)

const databaseSize, neighbourSize = "512m", "768m"

// measured is what one run of fio tells.
type measured struct {
	iops, p99, throughput float64 // p99 in milliseconds, throughput in MiB a second
}

// prepare writes the file of a load once, whole, as far as the disk.
func prepare(b *testing.B, dir, size string) {
	b.Helper()
	text, err := exec.CommandContext(b.Context(), "fio", "--name=load", "--directory="+dir, "--rw=write", "--bs=1m",
		"--ioengine=psync", "--direct=1", "--end_fsync=1", "--size="+size).CombinedOutput()
	if err != nil {
		b.Fatalf("fio: %v: %s", err, text)
	}
}

func load(b *testing.B, dir string, arguments []string, seconds int) measured {
	b.Helper()
	arguments = append([]string{"--name=load", "--directory=" + dir, "--time_based", fmt.Sprint("--runtime=", seconds),
		"--randrepeat=0", "--group_reporting", "--unified_rw_reporting=1", "--output-format=json"}, arguments...)
	text, err := exec.CommandContext(b.Context(), "fio", arguments...).Output()
	if err != nil {
		b.Fatalf("fio: %v: %s", err, text)
	}
	var report struct {
		Jobs []struct {
			Mixed struct {
				IOPS    float64
				BWBytes float64 `json:"bw_bytes"`
				Latency struct {
					Percentile map[string]float64
				} `json:"clat_ns"`
			}
		}
	}
	if err := json.Unmarshal(text, &report); err != nil {
		b.Fatal(err)
	}
	m := report.Jobs[0].Mixed
	return measured{m.IOPS, m.Latency.Percentile["99.000000"] / 1e6, m.BWBytes / (1 << 20)}
}

// both runs the database while its neighbour is at work, from before it begins
// until after it ends.
func both(b *testing.B, database, neighbour string) (mine, theirs measured) {
	b.Helper()
	done := make(chan measured)
	go func() { done <- load(b, neighbour, neighbourLoad, volumeSeconds+4) }()
	time.Sleep(2 * time.Second)
	mine = load(b, database, databaseLoad, volumeSeconds)
	return mine, <-done
}

type loads []measured

func (l loads) of(value func(measured) float64) (s sample) {
	for _, m := range l {
		s = append(s, value(m))
	}
	return s
}

func (l loads) iops() sample       { return l.of(func(m measured) float64 { return m.iops }) }
func (l loads) p99() sample        { return l.of(func(m measured) float64 { return m.p99 }) }
func (l loads) throughput() sample { return l.of(func(m measured) float64 { return m.throughput }) }
