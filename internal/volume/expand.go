package volume

import (
	"context"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
	"k8s.io/mount-utils"
)

// Expand promises a volume more bytes, whether it is in use or not, and gives
// its new record. Until Grow is called its user sees the old size. A volume that
// is large enough is left alone; none is ever made smaller. Errors are those of
// Create.
func (p *Pool) Expand(id string, required, limit int64) (Record, error) {
	r, err := p.Get(id)
	if err != nil {
		return Record{}, err
	}
	size, err := ChooseSize(max(required, r.Bytes), limit, r.FileSystem)
	if err != nil || size <= r.Bytes {
		return r, err
	}
	if r.FileSystem == Directory {
		return p.expandDirectory(r, size)
	}
	if err := p.wholeVolume(r); err != nil {
		return Record{}, err
	}
	if err := p.allocateAdmitted(p.image(id), size, size-r.Bytes); err != nil {
		return Record{}, err
	}
	p.reached("allocated")
	r.Bytes = size
	return r, noSpace(writeRecord(p.volumeDir(id), r), p.volumeDir(id))
}

// Grow lets the user of a staged volume see the size that Expand has promised:
// the device, and the file system mounted at path, grow while in use.
//
// The error wraps ErrInUse where the kernel does not let this process enlarge
// an ext4 in use; the next Stage then does it.
func (p *Pool) Grow(id, path string) (Record, error) {
	r, err := p.Get(id)
	if err != nil {
		return Record{}, err
	}
	if r.FileSystem == Directory {
		return r, nil // Expand did it all
	}
	device, err := openAttached(p.image(id))
	if err != nil {
		return Record{}, err
	}
	if device == nil {
		return Record{}, fmt.Errorf("%w: volume %s is not staged on this node", ErrNotFound, id)
	}
	defer device.Close()
	if err := growLoop(device); err != nil {
		return Record{}, err
	}
	p.reached("device grown")
	if r.FormattedBytes == r.Bytes {
		return r, nil
	}
	if r.FileSystem == Ext4 && !hasCapability(unix.CAP_SYS_RESOURCE) {
		return Record{}, fmt.Errorf("%w: the kernel lets only processes with CAP_SYS_RESOURCE enlarge an ext4 in use; "+
			"volume %s is enlarged once no pod uses it: scale its set to 0 and back", ErrInUse, id)
	}
	if r.FileSystem != RawBlock {
		if _, err := mount.NewResizeFs(p.exec).Resize(device.Name(), path); err != nil {
			return Record{}, fmt.Errorf("enlarge the file system of volume %s: %w", id, err)
		}
	}
	return p.grown(r)
}

// growUnmounted enlarges the file system of a volume that Expand has enlarged
// and Grow has not, before it is mounted.
func (p *Pool) growUnmounted(ctx context.Context, r Record, device *os.File) error {
	if r.FormattedBytes == r.Bytes || r.FileSystem != Ext4 {
		return nil // xfs can only grow while mounted
	}
	if err := growLoop(device); err != nil {
		return err
	}
	// resize2fs insists on a file system that was checked.
	for _, command := range [][]string{{"e2fsck", "-f", "-p", device.Name()}, {"resize2fs", device.Name()}} {
		out, err := p.exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
		if err != nil && !repaired(command[0], err) {
			return fmt.Errorf("enlarge volume %s: %s: %w: %s", r.ID, strings.Join(command, " "), err, strings.TrimSpace(string(out)))
		}
	}
	_, err := p.grown(r)
	return err
}

// growMounted enlarges a file system that can only grow while mounted, and is
// smaller than its volume: that of a snapshot that was restored into more space.
func (p *Pool) growMounted(r Record, path string) error {
	if r.FormattedBytes == r.Bytes || r.FileSystem != XFS {
		return nil
	}
	_, err := p.Grow(r.ID, path)
	return err
}

// repaired says whether e2fsck merely reports that it has put something right.
func repaired(command string, err error) bool {
	status, ok := err.(interface{ ExitStatus() int })
	return command == "e2fsck" && ok && status.ExitStatus() == 1
}

// grown records that the file system reaches to the end of the volume.
func (p *Pool) grown(r Record) (Record, error) {
	p.reached("file system grown")
	if err := p.wholeVolume(r); err != nil {
		return Record{}, err
	}
	// The kernel zeroes new inode tables by punching holes into the image.
	if err := allocate(p.image(r.ID), r.Bytes); err != nil {
		return Record{}, err
	}
	r.FormattedBytes = r.Bytes
	return r, writeRecord(p.volumeDir(r.ID), r)
}

// hasCapability says whether this process has the capability (capabilities(7)).
func hasCapability(capability uint) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return false
	}
	return sets[capability/32].Effective&(1<<(capability%32)) != 0
}
