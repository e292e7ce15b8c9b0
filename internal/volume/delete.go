package volume

import "fmt"

// Delete removes a volume and its data for good. A volume that is not there is
// deleted already. The error wraps ErrInUse while the volume is mounted or its
// device is open, or ErrUnusable; then nothing was done. It wraps ErrInUse as well
// while a process holds files of a directory volume open: then the volume is gone,
// and its space not yet.
func (p *Pool) Delete(id string) error {
	if !validID(id) {
		return nil // no volume can have this ID
	}
	if err := p.writable(); err != nil {
		return err
	}
	if mounts, err := directoryMounts(p.dir, id); err != nil || len(mounts) > 0 {
		if err == nil {
			err = fmt.Errorf("%w: volume %s is mounted at %s", ErrInUse, id, mounts[0].Mountpoint)
		}
		return err
	}
	if err := releaseLoops(p.image(id)); err != nil {
		return err
	}
	p.reached("released")
	// From here on the volume does not exist.
	return p.removeDir(id)
}
