package volume

import (
	"fmt"

	"k8s.io/mount-utils"
)

// Expand promises a volume more bytes, whether it is in use or not, and gives
// its new record. Until Grow is called its user sees the old size. A volume that
// is large enough is left alone; none is ever made smaller. Errors are those of
// Create.
func (p *Pool) Expand(id string, required, limit int64) (Record, error) {
	r, err := p.Get(id)
	if err != nil {
		return Record{}, err
	}
	size, err := ChooseSize(max(required, r.Bytes), limit, r.FileSystem)
	if err != nil || size <= r.Bytes {
		return r, err
	}
	if err := p.allocateAdmitted(p.image(id), size, size-r.Bytes); err != nil {
		return Record{}, err
	}
	p.reached("allocated")
	r.Bytes = size
	return r, writeRecord(p.volumeDir(id), r)
}

// Grow lets the user of a staged volume see the size that Expand has promised:
// the device, and the file system mounted at path, grow while in use.
func (p *Pool) Grow(id, path string) (Record, error) {
	r, err := p.Get(id)
	if err != nil {
		return Record{}, err
	}
	device, err := openAttached(p.image(id))
	if err != nil {
		return Record{}, err
	}
	if device == nil {
		return Record{}, fmt.Errorf("%w: volume %s is not staged on this node", ErrNotFound, id)
	}
	defer device.Close()
	if err := growLoop(device); err != nil {
		return Record{}, err
	}
	p.reached("device grown")
	if r.FileSystem == RawBlock {
		return r, nil
	}
	if _, err := mount.NewResizeFs(p.exec).Resize(device.Name(), path); err != nil {
		return Record{}, fmt.Errorf("enlarge the file system of volume %s: %w", id, err)
	}
	p.reached("file system grown")
	// The kernel zeroes new inode tables by punching holes into the image.
	return r, allocate(p.image(id), r.Bytes)
}
