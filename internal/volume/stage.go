package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Stage makes a volume ready on this node: attached, and mounted at path unless
// it is a raw block volume. Options are added to the default ones of the mount.
//
// It mounts what Create has formatted and never formats; a volume whose file
// system cannot be mounted is an error for a person to look at.
func (p *Pool) Stage(ctx context.Context, id, path string, options []string) error {
	r, err := p.Get(id)
	if err != nil {
		return err
	}
	if r.FileSystem == RawBlock {
		return p.stageBlock(r)
	}
	mounted, err := p.mountedFrom(id, path)
	if err != nil {
		return err
	}
	if mounted {
		return p.growMounted(r, path) // what a call that was killed may not have done
	}
	if err := os.MkdirAll(path, 0o750); err != nil {
		return err
	}
	device, err := attach(p.image(id), whileUsed)
	if err != nil {
		return err
	}
	// From the mount on, the mount keeps the device; a failure lets it go.
	defer device.Close()
	p.reached("attached")
	if err := p.growUnmounted(ctx, r, device); err != nil {
		return err
	}
	options = append(defaultOptions(r.FileSystem), options...)
	if err := p.mounter.Mount(device.Name(), path, string(r.FileSystem), options); err != nil {
		return fmt.Errorf("mount volume %s: %w", id, err)
	}
	p.reached("mounted")
	if err := p.growMounted(r, path); err != nil {
		return err
	}
	return dropLostAndFound(path)
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

// dropLostAndFound removes the empty directory that mkfs.ext4 makes:
// databases refuse to initialise in a directory that is not empty, and fsck
// makes it again when it needs it.
func dropLostAndFound(path string) error {
	err := os.Remove(filepath.Join(path, "lost+found"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EROFS) {
		return nil
	}
	return err
}

func (p *Pool) stageBlock(r Record) error {
	device, err := attach(p.image(r.ID), untilDetached)
	if err != nil {
		return err
	}
	p.reached("attached")
	return device.Close()
}

// Unstage undoes Stage. It works without a record, so that nothing stays
// mounted whatever became of the pool.
func (p *Pool) Unstage(id, path string) error {
	if err := p.unmountAll(path); err != nil {
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
