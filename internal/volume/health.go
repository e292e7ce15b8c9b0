package volume

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// Health looks at the volumes of all pools, and returns what tells what is wrong with
// the one of a handle: nil if nothing is known to be. The error wraps ErrDamaged,
// ErrUnusable, ErrNoPool or ErrNotFound. Nothing is read but sizes and counters, so
// it may be called every few seconds; bytes that a disk has changed are not found.
func (p *Pools) Health() (of func(handle string) error) {
	unusable, ill := map[string]error{}, map[string]map[string]error{}
	for _, name := range p.names {
		pool, err := p.Pool(name)
		if err == nil {
			ill[name], err = pool.Health()
		}
		if err != nil {
			unusable[name] = err
		}
	}
	return func(handle string) error {
		name, id := SplitHandle(handle)
		if err := unusable[name]; err != nil {
			return err
		}
		found, declared := ill[name]
		if !declared {
			_, err := p.Pool(name)
			return err
		}
		err, known := found[id]
		if !known {
			return fmt.Errorf("%w: pool %s holds no volume %s any more; restore a snapshot, or put it back from a backup", ErrNotFound, name, id)
		}
		return err
	}
}

// Health tells what is wrong with each volume of the pool, by ID: nil if nothing is
// known to be. An error means that the pool cannot be used.
func (p *Pool) Health() (map[string]error, error) {
	if err := p.writable(); err != nil {
		return nil, err
	}
	records, err := p.List()
	if err != nil {
		return nil, err
	}
	loops, err := findLoops(p.dir + "/")
	if err != nil {
		return nil, err
	}
	mounts, err := mountinfo.GetMounts(nil)
	if err != nil {
		return nil, err
	}
	of := map[string][]loop{}
	for _, l := range loops {
		id := filepath.Base(filepath.Dir(l.backing))
		of[id] = append(of[id], l)
	}
	ill := map[string]error{}
	for _, r := range records {
		ill[r.ID] = p.healthOf(r, of[r.ID], mounts)
	}
	return ill, nil
}

// HealthOf is Health of one volume alone.
func (p *Pool) HealthOf(id string) error {
	if err := p.writable(); err != nil {
		return err
	}
	r, err := p.Get(id)
	if err != nil {
		return err
	}
	loops, err := findLoops(p.image(id))
	if err != nil {
		return err
	}
	mounts, err := mountinfo.GetMounts(nil)
	if err != nil {
		return err
	}
	return p.healthOf(r, loops, mounts)
}

// healthOf looks at a volume that has these loop devices.
func (p *Pool) healthOf(r Record, loops []loop, mounts []*mountinfo.Info) error {
	if r.FileSystem == Directory {
		return nil
	}
	if err := p.wholeVolume(r); err != nil {
		return err
	}
	for _, l := range loops {
		if err := fileSystemHealth(r.ID, l, mounts); err != nil {
			return err
		}
	}
	return nil
}

// fileSystemHealth tells whether the file system on a device, if one is mounted, has
// given up. It then takes no writes until it was mounted anew.
func fileSystemHealth(id string, l loop, mounts []*mountinfo.Info) error {
	device := filepath.Base(l.device)
	for _, m := range mounts {
		if m.Source != l.device {
			continue
		}
		switch FileSystem(m.FSType) {
		case Ext4:
			// Documentation/ABI/testing/sysfs-fs-ext4
			count, err := os.ReadFile(filepath.Join("/sys/fs/ext4", device, "errors_count"))
			if err == nil && strings.TrimSpace(string(count)) != "0" {
				return fmt.Errorf("%w: the file system of volume %s has met an error and takes no more writes; find out why (dmesg), end its pods, and repair it (e2fsck %s), or restore a snapshot",
					ErrDamaged, id, l.backing)
			}
		case XFS:
			if _, err := os.Stat(m.Mountpoint); err != nil { // EIO, once it has shut down
				return fmt.Errorf("%w: the file system of volume %s has shut down (%w); find out why (dmesg), end its pods, and repair it (xfs_repair %s), or restore a snapshot",
					ErrDamaged, id, err, l.backing)
			}
		}
		return nil
	}
	return nil
}
