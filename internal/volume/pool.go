package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/mount-utils"
	utilexec "k8s.io/utils/exec"

	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

const (
	recordFile = "volume.json"
	imageFile  = "disk.img"

	// A directory with one of these prefixes is no volume yet, or none any more.
	// No volume ID starts with a dot.
	creatingPrefix = ".creating-"
	deletingPrefix = ".deleting-"
)

// cgroupMount is where the hierarchies of cgroups are.
const cgroupMount = "/sys/fs/cgroup"

// Pool is a place on this node from which volumes are cut: a directory.
type Pool struct {
	dir string
	// identity is what must be found there, so that dir is the pool.
	identity identity
	mounter  mount.Interface
	exec     utilexec.Interface
	// throttle enforces quality of service, unless cannotThrottle says why not.
	throttle       throttle
	cannotThrottle error
	// changed wakes the governor.
	changed chan struct{}
	// performance is that of its volumes, as the governor saw it last.
	performance atomic.Pointer[map[string]qos.Performance]
	// owed is what volumes may need while they share blocks with a copy. Another
	// process does not see it; against that there is the pool's reserve.
	owed atomic.Int64
	// reached is called between the steps of every operation. The crash tests
	// end the process there.
	reached func(step string)
	// frozenLimit is that constant, but in tests.
	frozenLimit time.Duration
}

// Open gives the default pool in dir, which is created where it is missing, and
// removes what operations that were killed have left half made there. Several
// processes may have one pool open.
func Open(dir string) (*Pool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create the volume pool: %w", err)
	}
	return openAs(identity{Name: DefaultPool}, dir)
}

// openAs is Open for a directory that is there. It must hold the pool that is
// expected; with no ID, any of that name, or none as yet.
func openAs(expected identity, dir string) (*Pool, error) {
	// The kernel reports backing files by their real path; so must we.
	resolved, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	if resolved, err = filepath.Abs(resolved); err != nil {
		return nil, err
	}
	is, err := identify(resolved, expected, dir)
	if err != nil {
		return nil, err
	}
	p := newPool(is, resolved)
	return p, p.tidy()
}

func newPool(is identity, dir string) *Pool {
	p := &Pool{dir: dir, identity: is, mounter: mount.New(""), exec: utilexec.New(), changed: make(chan struct{}, 1), reached: func(string) {}, frozenLimit: frozenLimit}
	p.throttle, p.cannotThrottle = findThrottle(cgroupMount)
	return p
}

// tidy undoes what operations that were killed have left.
func (p *Pool) tidy() error {
	// A volume that stayed frozen would hold its pod for ever.
	thawed := p.thawAbandoned()
	if p.writable() != nil {
		return thawed // what is half made stays until it can be removed
	}
	return errors.Join(thawed, p.sweep())
}

// sweep removes half made and half deleted volumes. A directory with a
// volume's name is never touched, whatever its state.
func (p *Pool) sweep() error {
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return err
	}
	var failed []error
	for _, e := range entries {
		id, halfDone := halfDone(e.Name())
		if !halfDone {
			continue
		}
		unlock, err := tryLock(p.dir, volumeLock(id))
		if errors.Is(err, ErrBusy) {
			continue // somebody is at it
		}
		if err == nil {
			err = p.discard(filepath.Join(p.dir, e.Name()))
			unlock()
		}
		if errors.Is(err, ErrInUse) {
			continue // it is gone for its users; the rest can wait
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// halfDone says whether a directory of that name is of a volume that is being
// made or deleted, and of which.
func halfDone(name string) (id string, yes bool) {
	if id, yes = strings.CutPrefix(name, creatingPrefix); yes {
		return id, true
	}
	return strings.CutPrefix(name, deletingPrefix)
}

// Get gives a volume's record; the error wraps ErrNotFound where there is none.
func (p *Pool) Get(id string) (Record, error) {
	if !validID(id) {
		return Record{}, fmt.Errorf("%w: %q is not a volume ID", ErrNotFound, id)
	}
	r, err := readRecord(p.volumeDir(id))
	return r, p.missing(err)
}

// missing is the error of whoever has found nothing in the pool: that the pool is
// not there, if that is why.
func (p *Pool) missing(err error) error {
	if errors.Is(err, ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		if lost := p.usable(); lost != nil {
			return lost
		}
	}
	return err
}

// List gives the records of all volumes in the order of their IDs.
func (p *Pool) List() ([]Record, error) {
	if err := p.usable(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return nil, err
	}
	var records []Record
	for _, e := range entries {
		if !e.IsDir() || !validID(e.Name()) {
			continue
		}
		r, err := readRecord(p.volumeDir(e.Name()))
		if errors.Is(err, ErrNotFound) {
			continue // not ours, or deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, nil
}

// Dir is the pool's directory.
func (p *Pool) Dir() string { return p.dir }

// Name is the pool's name on its node.
func (p *Pool) Name() string { return p.identity.Name }

// Capacity gives the size in bytes of the file system that the pool is on.
func (p *Pool) Capacity() (int64, error) {
	if err := p.usable(); err != nil {
		return 0, err
	}
	var s unix.Statfs_t
	if err := unix.Statfs(p.dir, &s); err != nil {
		return 0, fmt.Errorf("look at the size of pool %s: %w", p.dir, err)
	}
	return int64(s.Blocks) * int64(s.Bsize), nil
}

// Available gives the bytes that new volumes may still take. The error wraps
// ErrUnusable if none can be made now.
func (p *Pool) Available() (int64, error) {
	if err := p.writable(); err != nil {
		return 0, err
	}
	var s unix.Statfs_t
	if err := unix.Statfs(p.dir, &s); err != nil {
		return 0, fmt.Errorf("look at the free space of pool %s: %w", p.dir, err)
	}
	unused, err := p.unusedOfDirectories()
	if err != nil {
		return 0, err
	}
	block := int64(s.Bsize)
	free := int64(s.Bavail)*block - Reserve(int64(s.Blocks)*block) - p.owed.Load() - unused
	return max(free, 0) / Granule * Granule, nil
}

func (p *Pool) volumeDir(id string) string { return filepath.Join(p.dir, id) }
func (p *Pool) image(id string) string     { return filepath.Join(p.dir, id, imageFile) }
