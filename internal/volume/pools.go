package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	utilexec "k8s.io/utils/exec"
)

// Pools are those of this node. A pool that cannot be used takes nothing from the
// others, and is there again when its disk is.
type Pools struct {
	// stateDir remembers which pools there were, and is where block devices are
	// mounted. Empty: nothing is remembered.
	stateDir string
	names    []string
	pools    map[string]*declared
	// reached is that of the pools.
	reached func(step string)
}

// declared is a pool that the node should have.
type declared struct {
	place Place
	mu    sync.Mutex
	pool  *Pool // once it was there
}

// NewPools gives the pools at these places, which may all be missing yet. The
// directory for what is remembered of them is made with the first.
func NewPools(places []Place, stateDir string) (*Pools, error) {
	if err := CheckPlaces(places); err != nil {
		return nil, err
	}
	p := &Pools{stateDir: stateDir, pools: map[string]*declared{}, reached: func(string) {}}
	for _, place := range places {
		p.names = append(p.names, place.Name)
		p.pools[place.Name] = &declared{place: place}
	}
	return p, nil
}

// Alone gives a node's only pool.
func Alone(pool *Pool) *Pools {
	place := Place{Name: pool.Name(), Path: pool.dir}
	return &Pools{names: []string{place.Name}, pools: map[string]*declared{place.Name: {place: place, pool: pool}}, reached: pool.reached}
}

// Names gives the names of the node's pools.
func (p *Pools) Names() []string { return p.names }

// Where says where the files of the pool of that name, one of Names, are or should
// be, and which device is mounted there if the pool is one.
func (p *Pools) Where(name string) (directory, device string) {
	path := p.pools[name].place.Path
	if had, err := recall(p.stateDir, name); err == nil && had.Path == path {
		return had.Directory, had.Device
	}
	return path, ""
}

// mountTimeout is how long it may take to format and mount a device.
const mountTimeout = 5 * time.Minute

// Pool gives the pool of that name, and has it there, with what operations that
// were killed have left removed. The error wraps ErrNoPool, or ErrUnusable and then
// says what to do.
func (p *Pools) Pool(name string) (*Pool, error) {
	d := p.pools[name]
	if d == nil {
		return nil, fmt.Errorf("%w: this node has no pool %s: declare it with mainstay up --pool %s=PATH, or use a class of another pool", ErrNoPool, name, name)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pool != nil {
		lost := d.pool.usable()
		if lost == nil || p.stateDir == "" {
			return d.pool, lost
		}
	}
	found, err := p.find(d.place)
	if err != nil {
		return nil, err
	}
	if d.pool != nil && d.pool.dir == found.dir {
		return d.pool, nil // it was away
	}
	d.pool = found
	return found, nil
}

// find opens the pool at a place, and mounts its device before. Of several processes
// that do so, one at a time: the first may have to make the pool.
func (p *Pools) find(place Place) (*Pool, error) {
	if err := os.MkdirAll(p.stateDir, 0o700); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), mountTimeout)
	defer cancel()
	unlock, err := lock(ctx, p.stateDir, volumeLock(place.Name))
	if err != nil {
		return nil, err
	}
	defer unlock()
	had, err := recall(p.stateDir, place.Name)
	if err != nil {
		return nil, err
	}
	expected := identity{ID: had.ID, Name: place.Name}
	dir, err := p.reach(ctx, place, expected)
	if err != nil {
		return nil, err
	}
	pool, err := openAs(expected, dir)
	if err != nil {
		if dir != place.Path {
			_ = unmountAll(dir) // it is not ours; what is in use stays
		}
		if had.ID != "" {
			err = fmt.Errorf("%w (if it is lost for good, and is to begin empty: remove %s)", err, memoryFile(p.stateDir, place.Name))
		}
		return nil, fmt.Errorf("open pool %s: %w", place.Name, err)
	}
	pool.reached = p.reached
	p.reached("pool identified")
	is := memory{Version: memoryVersion, ID: pool.identity.ID, Path: place.Path, Directory: pool.dir}
	if dir != place.Path {
		is.Device = place.Path
	}
	if is == had {
		return pool, nil
	}
	return pool, remember(p.stateDir, place.Name, is)
}

// reach gives the directory of a place, in which its device is mounted if it is one.
func (p *Pools) reach(ctx context.Context, place Place, expected identity) (dir string, err error) {
	s, err := os.Stat(place.Path)
	switch {
	case errors.Is(err, os.ErrNotExist) && place.Name == DefaultPool && expected.ID == "":
		return place.Path, os.MkdirAll(place.Path, 0o700)
	case err != nil:
		return "", fmt.Errorf("%w: pool %s: %w: is its disk there, and mounted?", ErrUnusable, place.Name, err)
	case s.IsDir():
		return place.Path, nil
	}
	// By its real name, under which the kernel has it mounted.
	device, err := filepath.EvalSymlinks(place.Path)
	if err != nil {
		return "", err
	}
	dir = p.mountPoint(place.Name)
	return dir, mountPoolDevice(ctx, utilexec.New(), device, dir, expected, p.reached)
}

func (p *Pools) mountPoint(name string) string { return filepath.Join(p.stateDir, name) }

// Unstage is Pool.Unstage, whatever became of the volume's pool.
func (p *Pools) Unstage(handle, path string) error {
	pool, id, err := p.Of(handle)
	if err != nil {
		name, _ := SplitHandle(handle)
		had, err := recall(p.stateDir, name)
		if err != nil {
			return err
		}
		if had.Directory == "" {
			return unpublish(path, p.reached)
		}
		pool = newPool(identity{Name: name, ID: had.ID}, had.Directory)
	}
	return pool.Unstage(id, path)
}
