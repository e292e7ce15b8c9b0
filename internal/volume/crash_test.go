package volume

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mainstay-io/mainstay/internal/volume/volumetest"
)

var rewrite = flag.Bool("rewrite", false, "write the expectations under testdata anew")

// The child finds here what to do, where, and at which step to end.
const crashEnvironment = "MAINSTAY_TEST_CRASH"

type operation struct {
	name string
	run  func(p *Pool, dir string) error
}

const crashVolume = "victim"

// direct is the life of an ext4 that pods mount in one step, as by FlexVolume.
const direct FileSystem = "direct"

func staging(dir string) string { return filepath.Join(dir, "staging") }
func target(dir string) string  { return filepath.Join(dir, "pod") }

// life is everything that happens to a volume, in order. Ext4 grows at its
// second stage, raw blocks while they are in use.
func life(fs FileSystem) []operation {
	ctx := context.Background()
	create := operation{"create", func(p *Pool, _ string) error {
		format := fs
		if fs == direct {
			format = Ext4
		}
		_, err := p.Create(ctx, Spec{Name: crashVolume, RequiredBytes: 8 * mib, FileSystem: format})
		return err
	}}
	expand := operation{"expand", func(p *Pool, _ string) error {
		_, err := p.Expand(crashVolume, 16*mib, 0)
		return err
	}}
	stage := operation{"stage", func(p *Pool, dir string) error { return p.Stage(ctx, crashVolume, staging(dir), nil) }}
	publish := operation{"publish", func(p *Pool, dir string) error {
		return p.Publish(Publication{ID: crashVolume, StagingPath: staging(dir), TargetPath: target(dir)})
	}}
	grow := operation{"grow", func(p *Pool, dir string) error {
		_, err := p.Grow(crashVolume, target(dir))
		return err
	}}
	mount := operation{"mount", func(p *Pool, dir string) error { return p.Mount(ctx, crashVolume, target(dir), false) }}
	begin := []operation{create, expand, stage, publish, grow}
	switch fs {
	case RawBlock:
		begin = []operation{create, stage, publish, expand, grow}
	case direct:
		return append([]operation{create, expand, mount, grow}, end()...)
	case Directory:
		return append([]operation{create, stage, publish, expand, grow}, end()...)
	}
	return slices.Concat(begin, copies(fs), end(), endOfCopies())
}

// copies are the operations that copy the volume while it is in use.
func copies(fs FileSystem) []operation {
	ctx := context.Background()
	group := []string{crashVolume, "clone"}
	if fs == RawBlock {
		group = []string{crashVolume} // in use, it cannot be frozen with others
	}
	return []operation{
		{"snapshot", func(p *Pool, _ string) error {
			_, err := p.Snapshot(ctx, "snapshot", crashVolume, alone)
			return err
		}},
		{"clone", func(p *Pool, _ string) error {
			_, err := p.CreateFrom(ctx, Spec{Name: "clone", FileSystem: fs}, Source{Volume: crashVolume}, alone)
			return err
		}},
		{"group", func(p *Pool, _ string) error {
			_, err := p.SnapshotGroup(ctx, "group", group, alone)
			return err
		}},
		{"restore", func(p *Pool, _ string) error {
			_, err := p.CreateFrom(ctx, Spec{Name: "restored", FileSystem: fs}, Source{Snapshot: "snapshot"}, alone)
			return err
		}},
	}
}

func end() []operation {
	return []operation{
		{"unpublish", func(p *Pool, dir string) error { return p.Unpublish(target(dir)) }},
		{"unstage", func(p *Pool, dir string) error { return p.Unstage(crashVolume, staging(dir)) }},
		{"delete", func(p *Pool, _ string) error { return p.Delete(crashVolume) }},
	}
}

func endOfCopies() []operation {
	return []operation{
		{"delete snapshot", func(p *Pool, _ string) error { return p.DeleteSnapshot("snapshot") }},
		{"delete group", func(p *Pool, _ string) error { return p.DeleteGroup("group") }},
		{"delete copies", func(p *Pool, _ string) error { return errors.Join(p.Delete("clone"), p.Delete("restored")) }},
	}
}

// TestCrash ends the process between any two steps of any operation. Then
// either the operation is repeated and life goes on, or the volume is taken
// down: both work, and leave nothing.
func TestCrash(t *testing.T) {
	volumetest.RequireRoot(t)
	pool, _ := poolOn(t, "xfs")
	stories := []struct {
		title   string
		poolDir func(*testing.T) string
		tried   func(operation) bool
	}{
		{"The steps of each operation after which the crash test ends the process.", (*testing.T).TempDir, func(operation) bool { return true }},
		{"Where the pool's file system shares blocks:", poolsIn(pool), isCopy},
	}
	fileSystems := []FileSystem{Ext4, RawBlock, direct}
	points := make([]strings.Builder, len(stories)*len(fileSystems))
	t.Run("at once", func(t *testing.T) {
		for n := range points {
			story, fs := stories[n/len(fileSystems)], fileSystems[n%len(fileSystems)]
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				for i, op := range life(fs) {
					if story.tried(op) {
						fmt.Fprintf(&points[n], "%s %s: %s\n", fs, op.name, crashEverywhere(t, story.poolDir, fs, i))
					}
				}
			})
		}
	})
	var all []string
	for n, story := range stories {
		all = append(all, story.title+"\n\n"+points[3*n].String()+points[3*n+1].String()+points[3*n+2].String())
	}
	compare(t, "testdata/crash-points.txt", strings.Join(all, "\n"))
}

// poolsIn gives each pool a directory of another.
func poolsIn(pool *Pool) func(t *testing.T) string {
	return func(t *testing.T) string {
		dir, err := os.MkdirTemp(pool.dir, "")
		must(t, err)
		t.Cleanup(func() {
			must(t, errors.Join(os.Remove(filepath.Join(dir, lockFile)), os.Remove(filepath.Join(dir, identityFile)), os.Remove(dir)))
		})
		return dir
	}
}

// TestCrashOfDirectories is TestCrash for volumes that are directories: no limit is
// left either.
func TestCrashOfDirectories(t *testing.T) {
	onQuotas(t, func(t *testing.T, p *Pool, _ string) {
		var points strings.Builder
		for i, op := range life(Directory) {
			fmt.Fprintf(&points, "%s: %s\n", op.name, crashEverywhere(t, poolsIn(p), Directory, i))
			requireNoLimits(t, p)
		}
		compare(t, "testdata/crash-points-of-directories.txt", "The steps after which the crash test ends the process:\n\n"+points.String())
	})
}

// isCopy: the operation copies a volume, in use or not.
func isCopy(op operation) bool {
	return slices.ContainsFunc(copies(Ext4), func(c operation) bool { return c.name == op.name })
}

// played leaves out the copies where the operation under test has nothing to do
// with them: they take the longest.
func played(operations []operation, tested operation) []operation {
	aboutCopies := isCopy(tested) || strings.HasPrefix(tested.name, "delete ")
	return slices.DeleteFunc(slices.Clone(operations), func(op operation) bool { return isCopy(op) && !aboutCopies })
}

// crashEverywhere ends the process at each step of operation i, and gives the
// steps' names.
func crashEverywhere(t *testing.T, poolDir func(*testing.T) string, fs FileSystem, i int) string {
	t.Helper()
	var steps []string
	for n := 1; ; n++ {
		step := crashAndGoOn(t, poolDir(t), fs, i, n, life(fs)[i:])
		if step == "" {
			return strings.Join(steps, ", ")
		}
		crashAndGoOn(t, poolDir(t), fs, i, n, slices.Concat(end(), endOfCopies()))
		steps = append(steps, step)
	}
}

// crashAndGoOn lives up to operation i, ends the process at the nth step of it,
// and carries out what follows. It gives the step's name; empty if the operation
// has fewer steps.
func crashAndGoOn(t *testing.T, poolDir string, fs FileSystem, i, n int, following []operation) string {
	t.Helper()
	dir := volumetest.Dir(t)
	must(t, os.Symlink(poolDir, filepath.Join(dir, "pool")))
	p, err := Open(filepath.Join(dir, "pool"))
	must(t, err)
	tested := life(fs)[i]
	for _, op := range played(life(fs)[:i], tested) {
		if err := op.run(p, dir); err != nil {
			t.Fatalf("%s %s: %v", fs, op.name, err)
		}
	}
	step := crash(t, dir, fs, i, n)
	if fs == Ext4 && isCopy(tested) {
		// Nobody has opened the pool yet: the guard does it.
		requireWritable(t, fmt.Sprintf("%s killed after %q", tested.name, step), target(dir))
	}

	p, err = Open(filepath.Join(dir, "pool"))
	must(t, err)
	if step == "" {
		following = following[1:] // the child has done the first one
	}
	story := fmt.Sprintf("%s %s killed after %q", fs, tested.name, step)
	for _, op := range played(following, tested) {
		if err := op.run(p, dir); err != nil {
			t.Errorf("%s: then %s: %v", story, op.name, err)
		}
		if op.name != "unstage" {
			continue
		}
		for _, l := range slices.Concat(volumetest.Leftovers(t, dir), volumetest.Leftovers(t, p.dir+"/")) {
			t.Errorf("%s: left after unstage: %s", story, l)
		}
	}
	requireContent(t, p)
	return step
}

// crash runs one operation in a process that kills itself at its nth step.
func crash(t *testing.T, dir string, fs FileSystem, i, n int) (step string) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestCrashChild$")
	child.Env = append(os.Environ(), fmt.Sprintf("%s=%s|%s|%d|%d", crashEnvironment, dir, fs, i, n))
	out, err := child.CombinedOutput()
	killed := child.ProcessState != nil && strings.Contains(child.ProcessState.String(), "killed")
	if err != nil && !killed {
		t.Fatalf("%s: %v: %s", life(fs)[i].name, err, out)
	}
	if !killed {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// TestCrashChild is the process that TestCrash kills.
func TestCrashChild(t *testing.T) {
	fields := strings.Split(os.Getenv(crashEnvironment), "|")
	if len(fields) != 4 {
		t.Skip("run by TestCrash")
	}
	dir, fs := fields[0], FileSystem(fields[1])
	i, err := strconv.Atoi(fields[2])
	must(t, err)
	remaining, err := strconv.Atoi(fields[3])
	must(t, err)
	p, err := Open(filepath.Join(dir, "pool"))
	must(t, err)
	p.reached = killAfter(remaining)
	must(t, life(fs)[i].run(p, dir))
}

// killAfter ends this process at the nth step, whose name it says.
func killAfter(n int) func(step string) {
	return func(step string) {
		if n--; n == 0 {
			fmt.Println(step)
			_ = unix.Kill(os.Getpid(), unix.SIGKILL)
			select {} // until the signal arrives
		}
	}
}

// compare holds text against a file, or writes the file with -rewrite.
func compare(t *testing.T, path, got string) {
	t.Helper()
	if *rewrite {
		must(t, os.WriteFile(path, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if string(want) != got {
		t.Errorf("%s differs; run with -rewrite if this is meant:\n%s", path, got)
	}
}
