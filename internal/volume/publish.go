package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Publication is one place at which a pod finds a staged volume.
type Publication struct {
	// ID of the volume.
	ID string
	// StagingPath is where the volume was staged; unused for raw blocks.
	StagingPath string
	// TargetPath is where the pod finds it: a directory, for raw blocks a device.
	TargetPath string
	ReadOnly   bool
	// Sole refuses the volume while another target has it (ReadWriteOncePod).
	Sole bool
}

// Publish mounts a staged volume at one more place. The error wraps ErrInUse if
// Sole was asked for and another place has it.
func (p *Pool) Publish(pub Publication) error {
	r, err := p.Get(pub.ID)
	if err != nil {
		return err
	}
	done, err := p.published(pub)
	if err != nil || done {
		return err
	}
	source, err := p.publicationSource(r, pub)
	if err != nil {
		return err
	}
	if pub.Sole {
		if err := p.refuseSecondTarget(pub); err != nil {
			return err
		}
	}
	if err := makeMountPoint(pub.TargetPath, r.FileSystem == RawBlock); err != nil {
		return err
	}
	p.reached("mount point made")
	options := []string{"bind"}
	if pub.ReadOnly {
		options = append(options, "ro")
	}
	if err := p.mounter.Mount(source, pub.TargetPath, "", options); err != nil {
		return fmt.Errorf("mount volume %s for its pod: %w", pub.ID, err)
	}
	p.reached("mounted")
	return nil
}

// Unpublish undoes Publish. It works without a record.
func (p *Pool) Unpublish(targetPath string) error { return unpublish(targetPath, p.reached) }

// Unpublish is Pool.Unpublish, whatever became of the volume's pool.
func (p *Pools) Unpublish(targetPath string) error { return unpublish(targetPath, p.reached) }

func unpublish(targetPath string, reached func(string)) error {
	if err := unmountAll(targetPath); err != nil {
		return err
	}
	reached("unmounted")
	return removeMountPoint(targetPath)
}

// published says whether an earlier call has done the whole of it. A mount that
// was made but not yet made read-only is taken away again.
func (p *Pool) published(pub Publication) (bool, error) {
	mounted, err := p.mountedFrom(pub.ID, pub.TargetPath)
	if err != nil || !mounted {
		return false, err
	}
	m, err := mountAt(pub.TargetPath)
	if err != nil || m == nil {
		return false, err
	}
	if pub.ReadOnly && !readOnly(m) {
		return false, unmountAll(pub.TargetPath)
	}
	return true, nil
}

// publicationSource gives what is bound to the target: the staged file system,
// or the node of the attached device.
func (p *Pool) publicationSource(r Record, pub Publication) (string, error) {
	if r.FileSystem != RawBlock {
		staged, err := p.mountedFrom(pub.ID, pub.StagingPath)
		if err == nil && !staged {
			err = fmt.Errorf("volume %s is not staged at %s", pub.ID, pub.StagingPath)
		}
		return pub.StagingPath, err
	}
	device, err := p.attachVolume(r, untilDetached)
	if err != nil {
		return "", err
	}
	return device.Name(), device.Close()
}

// refuseSecondTarget fails if the volume is mounted anywhere but at the two
// paths of this publication.
func (p *Pool) refuseSecondTarget(pub Publication) error {
	mounts, err := p.volumeMounts(pub.ID)
	if err != nil {
		return err
	}
	staging, err := realPath(pub.StagingPath)
	if err != nil {
		return err
	}
	for _, m := range mounts {
		if m.Mountpoint != staging {
			return fmt.Errorf("%w: volume %s allows one pod only and is mounted at %s", ErrInUse, pub.ID, m.Mountpoint)
		}
	}
	return nil
}

func makeMountPoint(path string, file bool) error {
	if !file {
		return os.MkdirAll(path, 0o750)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	return f.Close()
}

// removeMountPoint removes an empty directory or file on which something was
// mounted. A directory with content is left: it is not ours.
func removeMountPoint(path string) error {
	err := os.Remove(path)
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTEMPTY) {
		return nil
	}
	return err
}
