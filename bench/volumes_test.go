package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
	var minimum, part, rest sample
	const runs = 3
	for run := range runs {
		say("volumes, run %d of %d", run+1, runs)
		onPlain = append(onPlain, load(b, plain, databaseLoad, volumeSeconds))
		alone = append(alone, s.alone(b, "database", databaseLoad))
		neighbourAlone = append(neighbourAlone, s.alone(b, "neighbour", neighbourLoad))
		mine, theirs := s.both(b, volumeSeconds)
		without, neighbourWithout = append(without, mine), append(neighbourWithout, theirs)

		promised := promisedOf(alone[run], envelope)
		part = append(part, s.leaves(b, alone[run], neighbourAlone[run], float64(promised.MinIOPS)))
		s.promise(b, "database", promised)
		stop := s.govern(b)
		load(b, database, databaseLoad, warmUp)
		mine, theirs = s.both(b, volumeSeconds)
		stop()
		s.promise(b, "database", qos.Parameters{})
		with, neighbourWith = append(with, mine), append(neighbourWith, theirs)
		minimum = append(minimum, float64(promised.MinIOPS))
		rest = append(rest, part[run]*neighbourAlone[run].moved)
	}
	after := busyShare(b, 3*time.Second)

	fmt.Printf("\n%s\nother work took %.0f %% of the processor just before, %.0f %% just after\n", describeMachine(b), 100*before, 100*after)
	fmt.Printf("the pool was measured to do %d IOPS and %d MiB/s; a fixed limit that leaves the database its minimum leaves the neighbour %.0f %% of its speed\n\n",
		envelope.IOPS(), envelope.Settled().Throughput()>>20, 100*part.median())
	printRows(b, os.Stdout, []row{
		{"database on a volume", perSecond, alone.iops(), "plain file system", onPlain.iops(), true, goal{limit: 0.9, ratio: true, atLeast: true}},
		{"database on a volume, p99", milliseconds, alone.p99(), "plain file system, p99", onPlain.p99(), true, goal{}},
		{"beside a neighbour, QoS off", perSecond, without.iops(), "alone", alone.iops(), true, goal{}},
		{"beside a neighbour, QoS off, p99", milliseconds, without.p99(), "alone, p99", alone.p99(), true, goal{}},
		{"requests beside a neighbour, QoS on", perSecond, with.requests(), "what it was promised", minimum, true, goal{limit: 0.95, ratio: true, atLeast: true}},
		{"beside a neighbour, QoS on, p99", milliseconds, with.p99(), "alone, p99", alone.p99(), true, goal{limit: 1.3, ratio: true}},
		{"the neighbour, QoS off", mebibytes, neighbourWithout.moved(), "alone", neighbourAlone.moved(), true, goal{}},
		{"the neighbour, QoS on", mebibytes, neighbourWith.moved(), "with the best fixed limit", rest, true, goal{limit: 0.8, ratio: true, atLeast: true}},
	})
	b.ReportMetric(0, "ns/op")
}

const (
	volumeSeconds = 10
	fixedSeconds  = 5
	warmUp        = 3
)

// promisedOf promises what a database needs that does four fifths of what it
// would alone, if the pool can promise it. Promises count the requests of the
// volume's device, which are more than the database makes: its file system has some
// of its own.
func promisedOf(alone measured, e qos.Envelope) qos.Parameters {
	return qos.Parameters{MinIOPS: min(int64(0.8*alone.requests), int64(0.75*float64(e.IOPS())))}
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

// limit holds a volume to so many MiB a second; zero to none.
func (s *volumeStage) limit(b *testing.B, name string, mebibytes float64) {
	b.Helper()
	if _, err := s.pool.Modify(volume.IDFor(name), map[string]string{"maxThroughput": fmt.Sprint(int64(mebibytes * (1 << 20)))}); err != nil {
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

// measured is what one run of fio tells: p99 in milliseconds. Requests and moved are
// what the volume's device did meanwhile, a second, the latter in MiB.
type measured struct {
	iops, p99       float64
	requests, moved float64
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
	return measured{iops: m.IOPS, p99: m.Latency.Percentile["99.000000"] / 1e6}
}

// alone runs a load on the volume of that name.
func (s *volumeStage) alone(b *testing.B, name string, arguments []string) (m measured) {
	b.Helper()
	did := s.during(b, func() { m = load(b, filepath.Join(s.dir, name), arguments, volumeSeconds) })
	m.requests, m.moved = did[name].requests, did[name].moved
	return m
}

// both runs the database while its neighbour is at work, from before it begins
// until after it ends.
func (s *volumeStage) both(b *testing.B, seconds int) (mine, theirs measured) {
	b.Helper()
	done := make(chan measured)
	go func() { done <- load(b, filepath.Join(s.dir, "neighbour"), neighbourLoad, seconds+4) }()
	time.Sleep(2 * time.Second)
	did := s.during(b, func() { mine = load(b, filepath.Join(s.dir, "database"), databaseLoad, seconds) })
	theirs = <-done
	mine.requests, mine.moved = did["database"].requests, did["database"].moved
	theirs.requests, theirs.moved = did["neighbour"].requests, did["neighbour"].moved
	return mine, theirs
}

// leaves finds what the database's minimum leaves its neighbour: the part of its speed
// alone to which somebody who knew the disk would limit it once and for all.
func (s *volumeStage) leaves(b *testing.B, alone, neighbourAlone measured, minimum float64) float64 {
	b.Helper()
	points := []beside{{0, alone.requests}}
	for _, part := range []float64{0.1, 0.2, 0.35, 0.55, 0.8} {
		s.limit(b, "neighbour", part*neighbourAlone.moved)
		mine, _ := s.both(b, fixedSeconds)
		points = append(points, beside{part, mine.requests})
		if mine.requests < minimum {
			break
		}
	}
	s.limit(b, "neighbour", 0)
	return greatestPart(points, minimum)
}

// during gives what the volumes' devices did while something was done, a second.
func (s *volumeStage) during(b *testing.B, do func()) map[string]measured {
	b.Helper()
	begun, before := time.Now(), s.counts(b)
	do()
	took, after := time.Since(begun).Seconds(), s.counts(b)
	for name, m := range after {
		after[name] = measured{requests: (m.requests - before[name].requests) / took, moved: (m.moved - before[name].moved) / took}
	}
	return after
}

// counts gives what the volumes' devices have done so far, as the kernel tells it
// (Documentation/block/stat.rst).
func (s *volumeStage) counts(b *testing.B) map[string]measured {
	b.Helper()
	counts := map[string]measured{}
	for _, name := range []string{"database", "neighbour"} {
		device, err := exec.Command("losetup", "--noheadings", "--output", "NAME", "--associated", filepath.Join(s.pool.Dir(), volume.IDFor(name), "disk.img")).Output()
		if err != nil {
			b.Fatal(err)
		}
		content, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(strings.TrimSpace(string(device))), "stat"))
		if err != nil {
			b.Fatal(err)
		}
		var reads, writes, merged, readSectors, writtenSectors, ticks float64
		if _, err := fmt.Sscan(string(content), &reads, &merged, &readSectors, &ticks, &writes, &merged, &writtenSectors); err != nil {
			b.Fatal(err)
		}
		counts[name] = measured{requests: reads + writes, moved: (readSectors + writtenSectors) / 2048}
	}
	return counts
}

type loads []measured

func (l loads) of(value func(measured) float64) (s sample) {
	for _, m := range l {
		s = append(s, value(m))
	}
	return s
}

func (l loads) iops() sample     { return l.of(func(m measured) float64 { return m.iops }) }
func (l loads) p99() sample      { return l.of(func(m measured) float64 { return m.p99 }) }
func (l loads) requests() sample { return l.of(func(m measured) float64 { return m.requests }) }
func (l loads) moved() sample    { return l.of(func(m measured) float64 { return m.moved }) }
