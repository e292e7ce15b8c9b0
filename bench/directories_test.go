package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/volumetest"
)

// BenchmarkDirectories measures a volume that is a directory against a directory
// beside its pool, on one file system.
func BenchmarkDirectories(b *testing.B) {
	dir := b.TempDir()
	disk := volumetest.QuotaDisk(b, dir, "ext4", 4*volumeBytes)
	pool, err := volume.Open(filepath.Join(disk, "pool"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := volume.Cleanup(pool.Dir(), dir); err != nil {
			b.Error(err)
		}
	})
	s := &volumeStage{dir: dir, pool: pool}
	database, plain := s.volume(b, "database", volume.Directory), filepath.Join(disk, "plain")
	if err := os.Mkdir(plain, 0o700); err != nil {
		b.Fatal(err)
	}
	load(b, plain, databaseLoad, warmUp) // its file is made
	load(b, database, databaseLoad, warmUp)

	before := busyShare(b, 3*time.Second)
	var onPlain, onVolume loads
	const runs = 3
	for run := range runs {
		say("directories, run %d of %d", run+1, runs)
		onPlain = append(onPlain, load(b, plain, databaseLoad, volumeSeconds))
		onVolume = append(onVolume, load(b, database, databaseLoad, volumeSeconds))
	}
	after := busyShare(b, 3*time.Second)
	fmt.Printf("\n%s\nother work took %.0f %% of the processor just before, %.0f %% just after\n\n", describeMachine(b), 100*before, 100*after)
	printRows(b, os.Stdout, []row{
		{"database on a directory volume", perSecond, onVolume.iops(), "plain directory beside it", onPlain.iops(), true, goal{limit: 0.9, ratio: true, atLeast: true}},
		{"database on a directory volume, p99", milliseconds, onVolume.p99(), "plain directory, p99", onPlain.p99(), true, goal{}},
	})
	b.ReportMetric(0, "ns/op")
}
