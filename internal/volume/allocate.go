package volume

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// allocate makes the file at path size bytes long with every block allocated,
// so that no write to it can fail for lack of space. What is allocated already
// keeps its content; what is new reads as zeros. It never shortens the file,
// but for undoing its own failed extension.
func allocate(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return err
	}
	for {
		err = unix.Fallocate(int(f.Fd()), 0, 0, size)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	switch {
	case err == nil:
		return f.Sync()
	case errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("%w: the file system of %s cannot preallocate files (fallocate); put the pool on ext4, xfs or btrfs", ErrUnsupported, path)
	}
	// A failed fallocate keeps what it got before it failed.
	if undo := f.Truncate(before.Size()); undo != nil {
		err = errors.Join(err, undo)
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("%w: the disk ran full while %d bytes were allocated to %s", ErrNoSpace, size, path)
	}
	return fmt.Errorf("allocate %d bytes to %s: %w", size, path, err)
}

// allocateSpans is allocate for parts of a file of that size, which stays as long
// as it is.
func allocateSpans(f *os.File, spans []span, size int64) error {
	for _, s := range spans {
		length := min(s.end, size) - s.start
		for {
			err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, s.start, length)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil {
				return noSpace(err, f.Name())
			}
			break
		}
	}
	return nil
}
