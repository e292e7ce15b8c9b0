package volume

import (
	"errors"
	"fmt"
	"io/fs"
)

// The kinds of failure that a caller can do something about. Errors of this
// package wrap one of them, or are unexpected failures of the system.
var (
	// ErrNotFound: the pool has no such volume or snapshot.
	ErrNotFound = errors.New("not found")
	// ErrConflict: a volume or snapshot of that name exists and is not what was
	// asked for.
	ErrConflict = errors.New("exists with other properties")
	// ErrNoSpace: the pool cannot promise the bytes that were asked for.
	ErrNoSpace = errors.New("not enough space in the pool")
	// ErrBusy: another operation on the volume has not ended yet; try again.
	ErrBusy = errors.New("another operation is still under way")
	// ErrInUse: the volume is mounted, or its device is open.
	ErrInUse = errors.New("volume is in use")
	// ErrSize: no volume can have the size that was asked for.
	ErrSize = errors.New("impossible volume size")
	// ErrSource: a volume cannot be made of this snapshot or volume.
	ErrSource = errors.New("unsuitable source")
	// ErrMember: the snapshot is one of a group, and goes with it.
	ErrMember = errors.New("snapshot belongs to a group")
	// ErrDamaged: what the volume or snapshot held is lost, at least in part.
	ErrDamaged = errors.New("data is lost")
	// ErrUnusable: the pool is not there, or cannot be written now.
	ErrUnusable = errors.New("the pool cannot be used")
	// ErrNoPool: this node has no pool of that name.
	ErrNoPool = errors.New("no such pool")
	// ErrUnsupported: this node cannot do what was asked for, whatever the volume.
	ErrUnsupported = errors.New("not supported on this node")
)

// notFound tells a volume that is not there from other failures to open its
// image.
func notFound(err error, id string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: there is no volume %s (%w)", ErrNotFound, id, err)
	}
	return err
}
