package volume

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Delete removes a volume and its data for good. A volume that is not there is
// deleted already. The error wraps ErrInUse while the volume is mounted or its
// device is open; then nothing was done.
func (p *Pool) Delete(id string) error {
	if !validID(id) {
		return nil // no volume can have this ID
	}
	doomed := filepath.Join(p.dir, deletingPrefix+id)
	// What an earlier call that was killed has left.
	if err := os.RemoveAll(doomed); err != nil {
		return err
	}
	if err := releaseLoops(p.image(id)); err != nil {
		return err
	}
	p.reached("released")
	// From here on the volume does not exist.
	err := os.Rename(p.volumeDir(id), doomed)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	p.reached("renamed")
	if err := syncDir(p.dir); err != nil {
		return err
	}
	return os.RemoveAll(doomed)
}
