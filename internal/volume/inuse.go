package volume

import (
	"fmt"
	"os"

	"github.com/moby/sys/mountinfo"
)

// mountsToFreeze gives one mount of each file system that is in use among the
// volumes to copy. The error wraps ErrInUse if one is attached and cannot be
// frozen, since its mount is out of sight.
func (p *Pool) mountsToFreeze(copies []imageCopy) (mounts []string, err error) {
	for _, c := range copies {
		r, err := p.Get(c.volume)
		if err != nil {
			return nil, err
		}
		loops, err := findLoops(p.image(c.volume))
		if err != nil {
			return nil, err
		}
		if r.FileSystem == RawBlock || len(loops) == 0 {
			continue
		}
		of, err := fileSystemMounts(loops[0].device)
		if err != nil {
			return nil, err
		}
		if len(of) == 0 {
			return nil, fmt.Errorf("%w: %s (volume %s) is held open, and is mounted nowhere that it could be frozen", ErrInUse, loops[0].device, r.ID)
		}
		mounts = append(mounts, of[0])
	}
	return mounts, nil
}

// fileSystemMounts gives the paths at which the file system of a device is
// mounted.
func fileSystemMounts(device string) (paths []string, err error) {
	mounts, err := mountsOf(device)
	for _, m := range mounts {
		if !isDeviceNode(m) {
			paths = append(paths, m.Mountpoint)
		}
	}
	return paths, err
}

func isDeviceNode(m *mountinfo.Info) bool { return m.FSType == "devtmpfs" }

// syncRawInUse brings what was written to raw block volumes from memory to their
// images, and gives the IDs of those that may be written to at any time.
func (p *Pool) syncRawInUse(records []Record) (inUse []string, err error) {
	for _, r := range records {
		if r.FileSystem != RawBlock {
			continue
		}
		device, err := openAttached(p.image(r.ID))
		if err != nil {
			return nil, err
		}
		if device == nil {
			continue
		}
		err = device.Sync()
		device.Close()
		if err != nil {
			return nil, fmt.Errorf("flush volume %s: %w", r.ID, err)
		}
		inUse = append(inUse, r.ID)
	}
	return inUse, nil
}

// reserve makes an empty file for a copy of an image, as large, and takes from
// the pool what the image's data needs now. The rest reads as zeros.
func (p *Pool) reserve(path, image string) error {
	source, err := os.Open(image)
	if err != nil {
		return err
	}
	defer source.Close()
	size, err := sizeOf(source)
	if err != nil {
		return err
	}
	spans, err := dataSpans(source)
	if err != nil {
		return err
	}
	target, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer target.Close()
	if err := target.Truncate(size); err != nil {
		return err
	}
	return p.admitted(total(spans), func() error { return allocateSpans(target, spans, size) })
}
