package volume

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mainstay-io/mainstay/internal/volume/volumetest"
)

// The rules in their order.
func TestRecognize(t *testing.T) {
	never, before := identity{Name: "fast"}, identity{Name: "fast", ID: "1"}
	for _, c := range []struct {
		why      string
		found    directoryContent
		expected identity
		isNew    bool
		says     string // empty: not refused
	}{
		{"a pool of another name", directoryContent{identity: identity{Name: "slow", ID: "1"}}, before, false, "say --pool slow=/mnt"},
		{"another pool of the name", directoryContent{identity: identity{Name: "fast", ID: "2"}}, before, false, "another pool"},
		{"the pool of before", directoryContent{identity: before}, before, false, ""},
		{"a pool that comes from another machine", directoryContent{identity: before}, never, false, ""},
		{"nothing, where the pool was", directoryContent{}, before, false, "is its disk mounted there?"},
		{"somebody's files, where the pool was", directoryContent{foreign: "photo"}, before, false, "is its disk mounted there?"},
		{"somebody's files", directoryContent{foreign: "photo"}, never, false, "such as photo"},
		{"nothing", directoryContent{}, never, true, ""},
	} {
		isNew, err := recognize(c.found, c.expected, "/mnt")
		if isNew != c.isNew || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v (%v)", c.why, isNew, err)
		}
	}
}

// What a pool has of its own, with or without an identity, is nobody else's.
func TestLookInto(t *testing.T) {
	p, err := Open(filepath.Join(t.TempDir(), "pool"))
	must(t, err)
	mustCreate(t, p, Spec{Name: "v", RequiredBytes: mib, FileSystem: RawBlock})
	for _, name := range []string{"lost+found", ".snapshot-s", ".creating-x", ".deleting-x", ".group-g"} {
		must(t, os.Mkdir(filepath.Join(p.dir, name), 0o700))
	}
	must(t, os.Remove(filepath.Join(p.dir, identityFile))) // as an older Mainstay leaves it
	again, err := Open(p.dir)
	must(t, err)
	if again.identity.ID == "" || again.identity.ID == p.identity.ID || again.Name() != DefaultPool {
		t.Errorf("a pool without an identity became %+v", again.identity)
	}
	must(t, os.Remove(filepath.Join(p.dir, identityFile)))
	must(t, os.Mkdir(filepath.Join(p.dir, "home"), 0o700))
	if _, err := Open(p.dir); !errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), "such as home") {
		t.Errorf("a directory with somebody's files: %v", err)
	}
}

func TestHandles(t *testing.T) {
	for _, c := range []struct{ handle, pool, id string }{
		{"pvc-1", DefaultPool, "pvc-1"},
		{"fast/pvc-1", "fast", "pvc-1"},
		{"fast/.snapshot-1", "fast", ".snapshot-1"},
	} {
		if pool, id := SplitHandle(c.handle); pool != c.pool || id != c.id || Handle(pool, id) != c.handle {
			t.Errorf("%s is %s in pool %s, and back %s", c.handle, id, pool, Handle(pool, id))
		}
	}
}

// One pool that is missing takes nothing from the others, and what is left of its
// volumes can be unmounted.
func TestOnePoolIsMissing(t *testing.T) {
	volumetest.RequireRoot(t)
	dir := volumetest.Dir(t)
	fast := filepath.Join(dir, "fast")
	places := []Place{{Name: DefaultPool, Path: filepath.Join(dir, "default")}, {Name: "fast", Path: fast}}
	pools, err := NewPools(places, filepath.Join(dir, "state"))
	must(t, err)
	if _, err := pools.Pool("fast"); !errors.Is(err, ErrUnusable) {
		t.Errorf("a pool that never was there: %v", err)
	}
	if _, err := pools.Pool("slow"); !errors.Is(err, ErrNoPool) {
		t.Errorf("a pool that is not declared: %v", err)
	}
	if all := pools.All(); len(all) != 1 || all[0].Name() != DefaultPool {
		t.Errorf("the pools that can be used are %v", all)
	}
	must(t, pools.Unstage("fast/v", filepath.Join(dir, "staging")))
	must(t, pools.Unstage("slow/v", filepath.Join(dir, "staging")))

	must(t, os.Mkdir(fast, 0o700))
	p, err := pools.Pool("fast")
	must(t, err)
	r := mustCreate(t, p, Spec{Name: "v", RequiredBytes: 8 * mib, FileSystem: Ext4})
	target := filepath.Join(dir, "pod")
	must(t, p.Mount(t.Context(), r.ID, target, false))
	if in, id, err := pools.MountedAt(target); err != nil || in != p || id != r.ID {
		t.Errorf("mounted is %s in %v (%v)", id, in, err)
	}
	must(t, os.Rename(fast, fast+".away"))
	pools, err = NewPools(places, filepath.Join(dir, "state")) // the engine starts anew
	must(t, err)
	if _, err := pools.Pool("fast"); !errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), "is its disk there") {
		t.Errorf("a pool that has gone: %v", err)
	}
	must(t, os.Mkdir(fast, 0o700))
	if _, err := pools.Pool("fast"); !errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), "lost for good") {
		t.Errorf("the mount point of a pool that has gone: %v", err)
	}
	if in, _, err := pools.MountedAt(target); err != nil || in != nil {
		t.Errorf("mounted is a volume of %v (%v)", in, err)
	}
	must(t, pools.Unpublish(target))
	must(t, os.Remove(fast))
	must(t, os.Rename(fast+".away", fast))
	p, err = pools.Pool("fast")
	must(t, err)
	must(t, p.Delete(r.ID))
}

// Several processes that look for a new pool at once all have the same.
func TestPoolIsFoundByManyAtOnce(t *testing.T) {
	volumetest.RequireRoot(t)
	dir := volumetest.Dir(t)
	places := []Place{{Name: DefaultPool, Path: filepath.Join(dir, "pool")}}
	var group sync.WaitGroup
	found := make([]string, 16)
	for i := range found {
		group.Go(func() {
			pools, err := NewPools(places, filepath.Join(dir, "state"))
			if err != nil {
				t.Error(err)
				return
			}
			pool, err := pools.Pool(DefaultPool)
			if err != nil {
				t.Error(err)
				return
			}
			found[i] = pool.identity.ID
		})
	}
	group.Wait()
	if ids := slices.Compact(found); len(ids) != 1 || ids[0] == "" {
		t.Errorf("they found %v", ids)
	}
}
