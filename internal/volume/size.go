package volume

import "fmt"

const (
	mib = int64(1) << 20
	gib = int64(1) << 30

	// Granule is what every volume's size is a multiple of.
	Granule = mib
	// DefaultSize is the size of a volume when no size was asked for.
	DefaultSize = gib
	// MaxSize is below the largest file of ext4 with blocks of 4 KiB (16 TiB).
	MaxSize = 16*1024*gib - gib
)

// minSize is the smallest useful volume of each file system: ext4 needs room
// for a journal, mkfs.xfs refuses less than 300 MiB. Raw blocks and
// directories have no floor.
var minSize = map[FileSystem]int64{Ext4: 4 * mib, XFS: 300 * mib, RawBlock: Granule, Directory: Granule}

// ChooseSize gives the size in bytes of a volume of which at least required and
// at most limit bytes were asked for; 0 stands for "not said". The error wraps
// ErrSize.
func ChooseSize(required, limit int64, fs FileSystem) (int64, error) {
	floor := minSize[fs]
	switch {
	case required < 0 || limit < 0:
		return 0, fmt.Errorf("%w: sizes cannot be negative (required %d, limit %d bytes)", ErrSize, required, limit)
	case limit > 0 && required > limit:
		return 0, fmt.Errorf("%w: at least %d bytes required, but the limit is %d bytes", ErrSize, required, limit)
	case required > MaxSize:
		return 0, fmt.Errorf("%w: %d bytes required, the largest volume has %d bytes", ErrSize, required, MaxSize)
	case limit > 0 && limit < floor:
		return 0, fmt.Errorf("%w: the limit is %d bytes, the smallest %s volume has %d bytes", ErrSize, limit, fs, floor)
	}

	size := required
	if size == 0 {
		size = DefaultSize
		if limit > 0 {
			size = min(size, limit/Granule*Granule)
		}
	}
	size = (max(size, floor) + Granule - 1) / Granule * Granule
	if limit > 0 && size > limit {
		return 0, fmt.Errorf("%w: volumes have multiples of %d bytes, and none lies between %d and %d", ErrSize, Granule, required, limit)
	}
	return size, nil
}

// Reserve is the part of a pool's file system that is never given to volumes.
// The pool often shares its disk with the node's system, which must not run
// full because of a promise to a volume.
func Reserve(total int64) int64 {
	return min(total/50, 4*gib)
}

// Admit says whether a pool with available bytes (its reserve already taken
// off) can promise size bytes more. The error wraps ErrNoSpace.
func Admit(size, available int64) error {
	if size <= available {
		return nil
	}
	return fmt.Errorf("%w: %d bytes are needed and %d are available; delete volumes or add space to the pool's disk",
		ErrNoSpace, size, max(available, 0))
}
