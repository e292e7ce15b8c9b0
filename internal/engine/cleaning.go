package engine

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

func (p Paths) cleaning() string { return filepath.Join(p.run(), "cleaning.lock") }

// beginCleaning tells the keeper that the pods are being stopped in order, though no
// engine runs: it is not to stop them at once. The kernel forgets it with the process.
func beginCleaning(paths Paths) (end func(), err error) {
	file, err := os.OpenFile(paths.cleaning(), os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		return func() {}, nil // there is nothing to clean
	}
	if err != nil {
		return nil, err
	}
	// It waits for a keeper that just looks.
	if err := unix.Flock(int(file.Fd()), unix.LOCK_SH); err != nil {
		file.Close()
		return nil, err
	}
	return func() { file.Close() }, nil
}

// cleaning tells whether somebody has begun to, and lives.
func cleaning(paths Paths) bool {
	file, err := os.Open(paths.cleaning())
	if err != nil {
		return false
	}
	defer file.Close()
	return errors.Is(unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK)
}
