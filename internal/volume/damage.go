package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// whole says whether an image still holds all the bytes that were promised, what
// of: a volume or a snapshot. The error wraps ErrDamaged. An image that lacks some
// must neither be attached, which a file system takes for a failing disk, nor be
// filled up, which would hide the loss.
func whole(image string, bytes int64, of string) error {
	s, err := os.Stat(image)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: the image of %s is gone from %s; put it back from a backup, or delete what is left and restore a snapshot", ErrDamaged, of, image)
	}
	if err != nil {
		return err
	}
	if s.Size() < bytes {
		return fmt.Errorf("%w: the image of %s, %s, was cut to %d of its %d bytes; put it back from a backup, or delete what is left and restore a snapshot",
			ErrDamaged, of, image, s.Size(), bytes)
	}
	return nil
}

// wholeVolume is whole for the image of a volume.
func (p *Pool) wholeVolume(r Record) error { return whole(p.image(r.ID), r.Bytes, "volume "+r.ID) }

// attachVolume is attach for a volume that is whole, in a pool that can be written.
func (p *Pool) attachVolume(r Record, end lifetime) (*os.File, error) {
	if err := p.writable(); err != nil {
		return nil, err
	}
	if err := p.wholeVolume(r); err != nil {
		return nil, err
	}
	return attach(p.image(r.ID), end)
}
