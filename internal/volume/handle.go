package volume

import (
	"errors"
	"strings"
)

// Handle is a volume's or snapshot's name on its node: its ID, and where its pool
// is not the default one, that pool's name before it.
func (p *Pool) Handle(id string) string { return Handle(p.Name(), id) }

// Handle is described at Pool.Handle.
func Handle(pool, id string) string {
	if pool == DefaultPool {
		return id
	}
	return pool + "/" + id
}

// SplitHandle is the way back; the ID may be impossible, and the pool unknown.
func SplitHandle(handle string) (pool, id string) {
	pool, id, found := strings.Cut(handle, "/")
	if !found {
		return DefaultPool, handle
	}
	return pool, id
}

// Of gives the pool of a volume or snapshot, and its ID there. Errors are those of
// Pool.
func (p *Pools) Of(handle string) (pool *Pool, id string, err error) {
	name, id := SplitHandle(handle)
	pool, err = p.Pool(name)
	return pool, id, err
}

// All gives those of the pools that can be used.
func (p *Pools) All() (usable []*Pool) {
	for _, name := range p.names {
		if pool, err := p.Pool(name); err == nil {
			usable = append(usable, pool)
		}
	}
	return usable
}

// MountedAt gives the pool and the ID of the volume that is mounted at path; no pool
// if nothing is, or if it may be of a pool that cannot be used. The error wraps
// ErrConflict if what is mounted there is no volume.
func (p *Pools) MountedAt(path string) (in *Pool, id string, err error) {
	lost := false
	for _, name := range p.names {
		pool, unusable := p.Pool(name)
		if unusable != nil {
			lost = true
			continue
		}
		id, err = pool.MountedAt(path)
		if err == nil && id != "" {
			return pool, id, nil
		}
		if err == nil || !errors.Is(err, ErrConflict) {
			return nil, "", err
		}
	}
	if m, looked := mountAt(path); lost && looked == nil && m != nil && m.Major == loopMajor {
		return nil, "", nil
	}
	return nil, "", err
}
