package volume

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// makeDir makes a directory of the pool that appears with all its content, or
// not at all.
func (p *Pool) makeDir(name string, fill func(dir string) error) error {
	if err := p.writable(); err != nil {
		return err
	}
	workDir := filepath.Join(p.dir, creatingPrefix+name)
	// A call that was killed may have left anything here.
	if err := p.discard(workDir); err != nil {
		return err
	}
	if err := os.Mkdir(workDir, 0o700); err != nil {
		return noSpace(err, workDir)
	}
	p.reached("directory made")
	if err := fill(workDir); err != nil {
		return errors.Join(noSpace(err, workDir), p.discard(workDir))
	}
	p.reached("built")
	if err := os.Rename(workDir, filepath.Join(p.dir, name)); err != nil {
		return errors.Join(err, p.discard(workDir))
	}
	p.reached("renamed")
	return syncDir(p.dir)
}

// removeDir makes a directory of the pool disappear at once. One that is not
// there is removed already.
func (p *Pool) removeDir(name string) error {
	if err := p.writable(); err != nil {
		return err
	}
	doomed := filepath.Join(p.dir, deletingPrefix+name)
	// What an earlier call that was killed has left.
	if err := p.discard(doomed); err != nil {
		return err
	}
	err := os.Rename(filepath.Join(p.dir, name), doomed)
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
	return p.discard(doomed)
}
