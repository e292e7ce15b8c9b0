package volume

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// canReflink says whether the file system of dir copies files by sharing their
// blocks, as xfs and btrfs do. It asks by doing it.
func canReflink(dir string) (bool, error) {
	from, to := filepath.Join(dir, "reflink-from"), filepath.Join(dir, "reflink-to")
	defer os.Remove(from)
	defer os.Remove(to)
	if err := os.WriteFile(from, make([]byte, 4096), 0o600); err != nil {
		return false, err
	}
	err := reflink(from, to)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTTY) {
		return false, nil
	}
	return err == nil, err
}

// reflink makes the file to, new or replaced, a copy of from as it is at one
// moment: the kernel waits for writes under way and holds new ones back. Until
// one of them is written to or removed, both share their blocks.
func reflink(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer target.Close()
	return unix.IoctlFileClone(int(target.Fd()), int(source.Fd()))
}
