package volume

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const lockEnvironment = "MAINSTAY_TEST_LOCK"

// openTwice gives one pool as two processes would have it.
func openTwice(t *testing.T) (p, other *Pool) {
	t.Helper()
	dir := t.TempDir()
	p, err := Open(dir)
	must(t, err)
	other, err = Open(dir)
	must(t, err)
	return p, other
}

// mustNotLock fails the test if the volume can be locked.
func mustNotLock(t *testing.T, p *Pool, id, why string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if unlock, err := p.Lock(ctx, id); !errors.Is(err, ErrBusy) {
		t.Errorf("%s: the lock of %s was given (%v)", why, id, err)
		if err == nil {
			unlock()
		}
	}
}

// Never do two work on one volume at once.
func TestLockIsExclusive(t *testing.T) {
	p, other := openTwice(t)
	var inside atomic.Int32
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			unlock, err := []*Pool{p, other}[i%2].Lock(context.Background(), "v")
			if err != nil {
				t.Error(err)
				return
			}
			defer unlock()
			if n := inside.Add(1); n != 1 {
				t.Errorf("%d at once", n)
			}
			time.Sleep(time.Millisecond)
			inside.Add(-1)
		})
	}
	wg.Wait()
}

func TestLocksOfTwoVolumesAreApart(t *testing.T) {
	p, other := openTwice(t)
	unlock, err := p.Lock(context.Background(), "v")
	must(t, err)
	second, err := other.Lock(context.Background(), "w")
	must(t, err)
	second()
	mustNotLock(t, other, "v", "held by another process")
	unlock()
	second, err = other.Lock(context.Background(), "v")
	must(t, err)
	second()
}

// A process that is killed holds nothing any more.
func TestLockEndsWithItsProcess(t *testing.T) {
	p, err := Open(t.TempDir())
	must(t, err)
	child := exec.Command(os.Args[0], "-test.run=^TestLockChild$")
	child.Env = append(os.Environ(), lockEnvironment+"="+p.dir)
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Fatalf("the child says %q (%v)", line, err)
	}
	mustNotLock(t, p, "v", "held by a child")
	must(t, child.Process.Kill())
	_ = child.Wait() // it was killed
	unlock, err := p.Lock(context.Background(), "v")
	must(t, err)
	unlock()
}

// TestLockChild is the process that TestLockEndsWithItsProcess kills.
func TestLockChild(t *testing.T) {
	dir := os.Getenv(lockEnvironment)
	if dir == "" {
		t.Skip("run by TestLockEndsWithItsProcess")
	}
	p, err := Open(dir)
	must(t, err)
	_, err = p.Lock(context.Background(), "v")
	must(t, err)
	fmt.Println("locked")
	time.Sleep(time.Hour)
}

// Whoever opens the pool leaves alone what another process has half made.
func TestSweepLeavesOthersWork(t *testing.T) {
	p, err := Open(t.TempDir())
	must(t, err)
	for _, name := range []string{creatingPrefix + "v", deletingPrefix + "v", creatingPrefix + "dead", deletingPrefix + "dead"} {
		must(t, os.Mkdir(filepath.Join(p.dir, name), 0o700))
	}
	unlock, err := p.Lock(context.Background(), "v")
	must(t, err)
	_, err = Open(p.dir)
	must(t, err)
	requireContent(t, p, creatingPrefix+"v", deletingPrefix+"v")
	unlock()
	_, err = Open(p.dir)
	must(t, err)
	requireContent(t, p)
}

// Unmounting goes on when the pool has gone.
func TestLockWithoutPool(t *testing.T) {
	p, err := Open(filepath.Join(t.TempDir(), "pool"))
	must(t, err)
	must(t, os.RemoveAll(p.dir))
	unlock, err := p.Lock(context.Background(), "v")
	must(t, err)
	unlock()
}

// Two processes never promise the same free space.
func TestSpaceIsTakenOnce(t *testing.T) {
	p, other := openTwice(t)
	unlock, err := lock(context.Background(), p.dir, spaceLock)
	must(t, err)
	taken := make(chan error, 1)
	go func() {
		_, err := other.Create(context.Background(), Spec{Name: "v", RequiredBytes: mib, FileSystem: RawBlock})
		taken <- err
	}()
	select {
	case err := <-taken:
		t.Errorf("space was taken while another process looks at it (%v)", err)
	case <-time.After(100 * time.Millisecond):
	}
	unlock()
	must(t, <-taken)
}

// requireContent fails the test unless the pool holds just these entries, its
// identity and its lock file.
func requireContent(t *testing.T, p *Pool, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(p.dir)
	must(t, err)
	var found []string
	for _, e := range entries {
		if e.Name() != lockFile && e.Name() != identityFile {
			found = append(found, e.Name())
		}
	}
	if fmt.Sprint(found) != fmt.Sprint(names) {
		t.Fatalf("the pool holds %v, want %v", found, names)
	}
}

// Cleanup waits for whoever still works on the pool, who would mount behind its
// back.
func TestCleanupWaitsForOthers(t *testing.T) {
	p, dir := testPool(t)
	unlock, err := p.Lock(context.Background(), "v")
	must(t, err)
	cleaned := make(chan error, 1)
	go func() { cleaned <- Cleanup(p.dir, dir) }()
	select {
	case err := <-cleaned:
		t.Errorf("it did not wait (%v)", err)
	case <-time.After(100 * time.Millisecond):
	}
	unlock()
	must(t, <-cleaned)
}
