package flex

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// lockPatience is how long another operation on the same volume may take before
// a callout gives up; kubelet comes again.
const lockPatience = time.Minute

// driver carries out the callouts on one pool.
type driver struct{ pool *volume.Pool }

// mount makes a volume if there is none of its name, else changes its size and
// quality to what is wanted, and mounts it for one pod: the whole of it or nothing.
func (d driver) mount(ctx context.Context, path string, r request) error {
	id := volume.IDFor(r.spec.Name)
	unlock, err := d.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	if err := d.ensure(ctx, id, r); err != nil {
		return err
	}
	if err := d.pool.Mount(ctx, id, path, r.readOnly); err != nil || r.readOnly {
		return err
	}
	// An xfs grows only while mounted, and so does a volume that another pod uses.
	// Where the kernel does not let it, it grows at the first mount after that.
	if _, err := d.pool.Grow(id, path); err != nil && !errors.Is(err, volume.ErrInUse) {
		return errors.Join(err, d.pool.Unpublish(path))
	}
	return nil
}

// ensure has the volume exist as it is wanted.
func (d driver) ensure(ctx context.Context, id string, r request) error {
	existing, err := d.pool.Get(id)
	switch {
	case errors.Is(err, volume.ErrNotFound):
		return d.create(ctx, r)
	case err != nil:
		return err
	case r.spec.FileSystem != "" && existing.FileSystem != r.spec.FileSystem:
		return fmt.Errorf("%w: volume %s is %s, fsType asks for %s", volume.ErrConflict, r.spec.Claim, existing.FileSystem, r.spec.FileSystem)
	case r.readOnly:
		return nil // who only reads changes nothing
	}
	if r.spec.RequiredBytes > existing.Bytes {
		if _, err := d.pool.Expand(id, r.spec.RequiredBytes, 0); err != nil {
			return err
		}
	}
	_, err = d.pool.Modify(id, r.quality)
	return err
}

func (d driver) create(ctx context.Context, r request) error {
	if r.readOnly {
		return fmt.Errorf("%w: volume %s is wanted for reading only; a pod that writes to it must be first", volume.ErrNotFound, r.spec.Claim)
	}
	if r.spec.RequiredBytes == 0 {
		return fmt.Errorf("%w: volume %s is to be made; say how large with the option %s, such as 10Gi", volume.ErrNotFound, r.spec.Claim, sizeOption)
	}
	if r.spec.FileSystem == "" {
		r.spec.FileSystem = volume.Ext4
	}
	_, err := d.pool.Create(ctx, r.spec)
	return err
}

// unmountFrom takes the volume at path from its pod. The volume and its data stay.
func unmountFrom(ctx context.Context, pools *volume.Pools, path string) error {
	pool, id, err := pools.MountedAt(path)
	if err != nil {
		return err
	}
	if pool != nil {
		unlock, err := driver{pool}.lock(ctx, id)
		if err != nil {
			return err
		}
		defer unlock()
	}
	return pools.Unpublish(path)
}

// expandAt gives the volume at path at least size bytes, while a pod uses it.
func expandAt(ctx context.Context, pools *volume.Pools, path string, size int64) error {
	pool, id, err := pools.MountedAt(path)
	if err != nil {
		return err
	}
	if pool == nil {
		return fmt.Errorf("%w: no volume is mounted at %s", volume.ErrNotFound, path)
	}
	unlock, err := driver{pool}.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := pool.Expand(id, size, 0); err != nil {
		return err
	}
	_, err = pool.Grow(id, path)
	return err
}

func (d driver) lock(ctx context.Context, id string) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	return d.pool.Lock(ctx, id)
}

// absolute refuses a path that means another place to another process.
func absolute(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%q is not an absolute path", path)
	}
	return nil
}
