package volume

import (
	"context"
	"fmt"
)

// Stage makes a volume ready on this node: mounted at path, unless it is a raw
// block volume, which is attached only. Options are added to the default ones of the mount.
//
// It mounts what Create has formatted and never formats; a volume whose file
// system cannot be mounted is an error for a person to look at.
func (p *Pool) Stage(ctx context.Context, id, path string, options []string) error {
	r, err := p.Get(id)
	if err != nil {
		return err
	}
	switch r.FileSystem {
	case RawBlock:
		return p.stageBlock(r)
	case Directory:
		attributes, err := DirectoryMountAttributes(options)
		if err != nil {
			return err
		}
		return p.mountFiles(r, path, attributes)
	}
	options = append(defaultOptions(r.FileSystem), options...)
	return p.mountDevice(ctx, r, path, func(device string) error {
		return p.mounter.Mount(device, path, string(r.FileSystem), options)
	})
}

// defaultOptions are those of every mount. Databases do not read access times,
// and would pay a write for each.
func defaultOptions(fs FileSystem) []string {
	if fs == XFS {
		// xfs refuses to mount the twin of a mounted file system, which is what a
		// restored snapshot is. Volumes are never looked for by their UUID.
		return []string{"noatime", "nouuid"}
	}
	return []string{"noatime"}
}

func (p *Pool) stageBlock(r Record) error {
	device, err := p.attachVolume(r, untilDetached)
	if err != nil {
		return err
	}
	defer device.Close()
	p.reached("attached")
	return p.hold(r)
}

// Unstage undoes Stage. It works without a record, so that nothing stays
// mounted whatever became of the pool.
func (p *Pool) Unstage(id, path string) error {
	if err := unmountAll(path); err != nil {
		return fmt.Errorf("unmount volume %s: %w", id, err)
	}
	p.reached("unmounted")
	if err := removeMountPoint(path); err != nil {
		return err
	}
	if !validID(id) {
		return nil
	}
	r, err := p.Get(id)
	if err == nil && r.FileSystem != RawBlock {
		return nil // its device has gone with its last mount
	}
	return releaseLoops(p.image(id))
}

// mountedFrom says whether the volume is what is mounted at path. Something
// else there is an error.
func (p *Pool) mountedFrom(id, path string) (bool, error) {
	m, err := mountAt(path)
	if err != nil || m == nil {
		return false, err
	}
	if of, err := p.directoryMountedBy(m); err != nil || of != "" && of == id {
		return err == nil, err
	}
	loops, err := findLoops(p.image(id))
	if err != nil {
		return false, err
	}
	for _, l := range loops {
		if ours, err := isMountOf(m, l.device); ours || err != nil {
			return ours, err
		}
	}
	return false, fmt.Errorf("%w: %s is mounted at %s, where volume %s should be", ErrInUse, m.Source, path, id)
}
