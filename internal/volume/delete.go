package volume

// Delete removes a volume and its data for good. A volume that is not there is
// deleted already. The error wraps ErrInUse while the volume is mounted or its
// device is open, or ErrUnusable; then nothing was done.
func (p *Pool) Delete(id string) error {
	if !validID(id) {
		return nil // no volume can have this ID
	}
	if err := p.writable(); err != nil {
		return err
	}
	if err := releaseLoops(p.image(id)); err != nil {
		return err
	}
	p.reached("released")
	// From here on the volume does not exist.
	return p.removeDir(id)
}
