package volume

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/mainstay-io/mainstay/internal/volume/qos"
	"github.com/mainstay-io/mainstay/internal/volume/quota"
)

// filesDir is the part of a directory volume that its pods see. The record beside
// it is out of their reach.
const filesDir = "files"

// inodeBytes is how many bytes of a directory volume come with one inode, as many as
// mkfs.ext4 would give it.
const inodeBytes = 16 << 10

func (p *Pool) files(id string) string { return filepath.Join(p.dir, id, filesDir) }

// createDirectory makes a volume that is a directory of the pool's file system. It
// needs nothing but a name, a number and a limit.
func (p *Pool) createDirectory(r Record) (Record, error) {
	if err := p.requireQuotas(); err != nil {
		return Record{}, err
	}
	err := p.makeDir(r.ID, func(dir string) error {
		return p.admitted(r.Bytes, func() (err error) {
			if err := p.refuseBesidePromises(); err != nil {
				return err
			}
			if r.Project, err = p.chooseProject(r.ID); err != nil {
				return err
			}
			// First what tells discard of the rest.
			if err := writeRecord(dir, r); err != nil {
				return err
			}
			p.reached("promised")
			return p.makeFiles(filepath.Join(dir, filesDir), r)
		})
	})
	return r, err
}

// makeFiles makes the directory that the volume's pods see. It has its project
// before it has a limit: only what has files counts as a promise.
func (p *Pool) makeFiles(dir string, r Record) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // whatever the umask
		return err
	}
	if err := quota.Assign(dir, r.Project); err != nil {
		return err
	}
	p.reached("assigned")
	if err := p.limitFiles(r); err != nil {
		return err
	}
	p.reached("limited")
	return nil
}

// expandDirectory promises a directory volume more bytes. Whoever uses it has them
// at once.
func (p *Pool) expandDirectory(r Record, size int64) (Record, error) {
	if err := p.requireQuotas(); err != nil {
		return Record{}, err
	}
	growth := size - r.Bytes
	r.Bytes, r.FormattedBytes = size, size
	return r, p.admitted(growth, func() error {
		if err := p.limitFiles(r); err != nil {
			return err
		}
		p.reached("limited")
		return writeRecord(p.volumeDir(r.ID), r)
	})
}

// limitFiles holds a volume to the size in its record.
func (p *Pool) limitFiles(r Record) error {
	var s unix.Statfs_t
	if err := unix.Statfs(p.dir, &s); err != nil {
		return fmt.Errorf("look at the inodes of pool %s: %w", p.dir, err)
	}
	inodes := inodesOf(r.Bytes, int64(s.Blocks)*int64(s.Bsize), int64(s.Files))
	return quota.Set(p.dir, r.Project, quota.Amount{Bytes: r.Bytes, Inodes: inodes})
}

// inodesOf gives a volume its share of the pool's inodes, so that no volume takes
// another's.
func inodesOf(bytes, poolBytes, poolInodes int64) int64 {
	each := int64(inodeBytes)
	if poolInodes > 0 {
		each = max(each, (poolBytes+poolInodes-1)/poolInodes)
	}
	return max(bytes/each, 1)
}

// chooseProject gives a number that nothing on the pool's file system has. The
// caller holds the space lock.
func (p *Pool) chooseProject(id string) (uint32, error) {
	taken, err := quota.Named()
	if err != nil {
		return 0, err
	}
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		// Half made and half deleted volumes as well.
		if r, err := readRecord(filepath.Join(p.dir, e.Name())); err == nil {
			taken[r.Project] = true
		}
	}
	return quota.Choose(p.volumeDir(id), func(project uint32) (bool, error) {
		known, err := quota.Get(p.dir, project)
		return taken[project] || known.Used != quota.Amount{}, err
	})
}

// CanHaveDirectories says whether the pool can have one more volume that is a
// directory. The error says why not, and what to do.
func (p *Pool) CanHaveDirectories() error {
	if err := p.requireQuotas(); err != nil {
		return err
	}
	return p.refuseBesidePromises()
}

// requireQuotas fails unless the pool's file system holds directories to their size.
func (p *Pool) requireQuotas() error {
	enforced, err := quota.Enforced(p.dir)
	if err == nil && !enforced {
		err = fmt.Errorf("%w: those of %s are counted, but not enforced", quota.ErrNone, p.dir)
	}
	if errors.Is(err, quota.ErrNone) {
		return fmt.Errorf("%w: %w; for volumes that are directories mount it with the option prjquota "+
			"(ext4 needs, before that and while it is not mounted: tune2fs -O project,quota -Q prjquota DEVICE), "+
			"or give Mainstay a block device as a pool, or use a class without the parameter backend: directory", ErrUnsupported, err)
	}
	return err
}

// unusedOfDirectories gives the bytes that directory volumes may still take of what
// they were promised, those of other pools on the same file system included.
func (p *Pool) unusedOfDirectories() (unused int64, err error) {
	projects, err := quota.List(p.dir)
	if errors.Is(err, quota.ErrNone) {
		return 0, nil
	}
	for _, project := range projects {
		if project.Used.Inodes > 0 { // else the volume is gone, and its pool with it
			unused += max(project.Limit.Bytes-project.Used.Bytes, 0)
		}
	}
	return unused, err
}

// What directory volumes cannot do, in the order in which it is asked.

func refuseDirectory(r Record) error {
	if r.FileSystem != Directory {
		return nil
	}
	if r.Quality != (qos.Parameters{}) {
		return fmt.Errorf("%w: volume %s is a directory and shares its device with others, so it can be promised no performance "+
			"and be held to none; use a class with backend: file", qos.ErrParameter, r.ID)
	}
	if r.Source != (Source{}) {
		return fmt.Errorf("%w: volume %s is to be a directory, and a directory cannot begin with %s; use a class with backend: file",
			ErrSource, r.ID, r.Source)
	}
	return nil
}

// refuseBesidePromises keeps what the pool has promised: a directory cannot be held
// back for others. The caller holds the space lock.
func (p *Pool) refuseBesidePromises() error {
	ledger, err := p.Ledger()
	if err != nil || len(ledger.Promised) == 0 {
		return err
	}
	return fmt.Errorf("%w: pool %s has promised performance to %d volumes, and a directory cannot be held back for them; "+
		"use another pool, or a class with backend: file", ErrUnsupported, p.dir, len(ledger.Promised))
}

// refuseCopy: the files of a directory cannot be copied in one moment, for the file
// system that they are on cannot be frozen while it is written to.
func refuseCopy(r Record) error {
	if r.FileSystem != Directory {
		return nil
	}
	return fmt.Errorf("%w: volume %s is a directory of its pool's file system, and cannot be copied as it is at one moment; "+
		"volumes of a class with backend: file can", ErrSource, r.ID)
}
