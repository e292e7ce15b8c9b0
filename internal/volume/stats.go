package volume

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Usage is how full a volume is: bytes, and inodes where it has a file system.
type Usage struct {
	TotalBytes, UsedBytes, AvailableBytes    int64
	TotalInodes, UsedInodes, AvailableInodes int64
}

// Usage looks at a volume that is published or staged at path. Of a raw block
// volume only the size is known.
func (p *Pool) Usage(id, path string) (Usage, error) {
	r, err := p.Get(id)
	if err != nil {
		return Usage{}, err
	}
	mounted, err := p.mountedFrom(id, path)
	if err != nil {
		return Usage{}, err
	}
	if !mounted {
		return Usage{}, fmt.Errorf("%w: volume %s is not mounted at %s", ErrNotFound, id, path)
	}
	if r.FileSystem == RawBlock {
		return Usage{TotalBytes: r.Bytes}, nil
	}
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return Usage{}, fmt.Errorf("look at the usage of volume %s: %w", id, err)
	}
	block := int64(s.Bsize)
	return Usage{
		TotalBytes:      int64(s.Blocks) * block,
		UsedBytes:       int64(s.Blocks-s.Bfree) * block,
		AvailableBytes:  int64(s.Bavail) * block,
		TotalInodes:     int64(s.Files),
		UsedInodes:      int64(s.Files - s.Ffree),
		AvailableInodes: int64(s.Ffree),
	}, nil
}
