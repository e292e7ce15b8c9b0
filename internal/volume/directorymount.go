package volume

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/mainstay-io/mainstay/internal/volume/quota"
)

// bindAttributes are the mount options that one directory can have for itself; the
// others are those of the whole file system.
var bindAttributes = map[string]uint64{
	"ro": unix.MOUNT_ATTR_RDONLY, "nosuid": unix.MOUNT_ATTR_NOSUID, "nodev": unix.MOUNT_ATTR_NODEV,
	"noexec": unix.MOUNT_ATTR_NOEXEC, "noatime": unix.MOUNT_ATTR_NOATIME, "nodiratime": unix.MOUNT_ATTR_NODIRATIME,
}

// DirectoryMountAttributes translates the mount options of a directory volume.
// Access times are never written, as for other volumes. The error wraps
// ErrUnsupported.
func DirectoryMountAttributes(options []string) (attributes uint64, err error) {
	attributes = unix.MOUNT_ATTR_NOATIME
	for _, o := range options {
		attribute, known := bindAttributes[o]
		if !known && o != "rw" {
			return 0, fmt.Errorf("%w: mount option %s cannot be had for a directory, which is mounted with its pool; leave it out, or use a class with backend: file", ErrUnsupported, o)
		}
		attributes |= attribute
	}
	return attributes, nil
}

// mountFiles mounts a directory volume at path unless it is mounted there. It
// appears with all its attributes, or not at all.
func (p *Pool) mountFiles(r Record, path string, attributes uint64) error {
	mounted, err := p.mountedFrom(r.ID, path)
	if err != nil || mounted {
		return err
	}
	if err := p.enforceLimit(r); err != nil {
		return err
	}
	if err := os.MkdirAll(path, 0o750); err != nil {
		return err
	}
	p.reached("mount point made")
	if err := bind(p.files(r.ID), path, attributes); err != nil {
		return fmt.Errorf("mount volume %s: %w", r.ID, err)
	}
	p.reached("mounted")
	return nil
}

// enforceLimit sees to it that a volume is held to its size, before a pod gets it.
// The pool may have been mounted otherwise than before, or been copied.
func (p *Pool) enforceLimit(r Record) error {
	if err := p.requireQuotas(); err != nil {
		return err
	}
	assigned, err := quota.Assigned(p.files(r.ID), r.Project)
	if err != nil {
		return notFound(err, r.ID)
	}
	if !assigned {
		return fmt.Errorf("the files of volume %s do not belong to project %d any more, by which their size is limited; "+
			"if the pool was copied, or somebody changed it, put it right with: chattr -R +P -p %d %s", r.ID, r.Project, r.Project, p.files(r.ID))
	}
	return p.limitFiles(r)
}

// bind mounts a directory at one more path (mount_setattr(2), Linux 5.12).
func bind(dir, path string, attributes uint64) error {
	tree, err := unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	change := &unix.MountAttr{Attr_set: attributes, Attr_clr: unix.MOUNT_ATTR__ATIME}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, change); err != nil {
		return err
	}
	return unix.MoveMount(tree, "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// location is where a directory lies: on which file system, and where on it.
type location struct {
	major, minor int
	root         string
}

// locate finds the location of a directory that is given by its real path.
func locate(dir string) (location, error) {
	mounts, err := mountinfo.GetMounts(mountinfo.ParentsFilter(dir))
	if err != nil {
		return location{}, err
	}
	var on *mountinfo.Info
	for _, m := range mounts { // of several at one path, the last one counts
		if on == nil || len(m.Mountpoint) >= len(on.Mountpoint) {
			on = m
		}
	}
	if on == nil {
		return location{}, fmt.Errorf("%s is on no file system that is mounted", dir)
	}
	below, err := filepath.Rel(on.Mountpoint, dir)
	return location{on.Major, on.Minor, path.Join(on.Root, below)}, err
}

// volumeOf gives the ID of the directory volume that m is a mount of, or of a part of
// it; empty if it is none of the pool that lies here.
func (l location) volumeOf(m *mountinfo.Info) string {
	below, ok := strings.CutPrefix(m.Root, strings.TrimSuffix(l.root, "/")+"/")
	id, _, ours := strings.Cut(below+"/", "/"+filesDir+"/")
	if !ok || !ours || m.Major != l.major || m.Minor != l.minor || !validID(id) {
		return ""
	}
	return id
}

// directoryMounts gives the mounts of directory volumes of the pool in poolDir, in
// the order in which they were made: of the one with that ID, or of all if it is
// empty.
func directoryMounts(poolDir, id string) ([]*mountinfo.Info, error) {
	pool, err := locate(poolDir)
	if err != nil {
		return nil, err
	}
	return mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		of := pool.volumeOf(m)
		return of == "" || id != "" && of != id, false
	})
}

// directoryMountedBy gives the ID of the directory volume that is mounted by m.
func (p *Pool) directoryMountedBy(m *mountinfo.Info) (id string, err error) {
	pool, err := locate(p.dir)
	return pool.volumeOf(m), err
}

// volumeMounts gives all places where a volume is mounted, whatever it is made of.
func (p *Pool) volumeMounts(id string) ([]*mountinfo.Info, error) {
	loops, err := findLoops(p.image(id))
	if err != nil {
		return nil, err
	}
	all, err := directoryMounts(p.dir, id)
	for _, l := range loops {
		mounts, failed := mountsOf(l.device)
		all, err = append(all, mounts...), errors.Join(err, failed)
	}
	return all, err
}

// releaseDirectories unmounts the directory volumes of the pool in poolDir.
func releaseDirectories(poolDir string) error {
	mounts, err := directoryMounts(poolDir, "")
	failed := []error{err}
	for _, m := range slices.Backward(mounts) {
		if err := unix.Unmount(m.Mountpoint, unix.UMOUNT_NOFOLLOW); err != nil {
			failed = append(failed, fmt.Errorf("%w: %s is mounted at %s: %w", ErrInUse, m.Root, m.Mountpoint, err))
		}
	}
	return errors.Join(failed...)
}
