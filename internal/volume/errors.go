package volume

import "errors"

// The kinds of failure that a caller can do something about. Errors of this
// package wrap one of them, or are unexpected failures of the system.
var (
	// ErrNotFound: the pool has no such volume.
	ErrNotFound = errors.New("volume not found")
	// ErrConflict: a volume of that name exists and is not what was asked for.
	ErrConflict = errors.New("volume exists with other properties")
	// ErrNoSpace: the pool cannot promise the bytes that were asked for.
	ErrNoSpace = errors.New("not enough space in the pool")
	// ErrBusy: another operation on the volume has not ended yet; try again.
	ErrBusy = errors.New("another operation is still under way")
	// ErrInUse: the volume is mounted, or its device is open.
	ErrInUse = errors.New("volume is in use")
	// ErrSize: no volume can have the size that was asked for.
	ErrSize = errors.New("impossible volume size")
	// ErrUnsupported: this node cannot do what was asked for, whatever the volume.
	ErrUnsupported = errors.New("not supported on this node")
)
