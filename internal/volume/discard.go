package volume

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/mainstay-io/mainstay/internal/volume/quota"
)

// discard removes a directory of the pool that is nothing any more or nothing yet,
// and then what the kernel keeps for it. It may be killed and called again. The
// error wraps ErrInUse while somebody holds a file of it open.
func (p *Pool) discard(dir string) error {
	if r, err := readRecord(dir); err == nil && r.FileSystem == Directory {
		if err := os.RemoveAll(filepath.Join(dir, filesDir)); err != nil {
			return err
		}
		p.reached("emptied")
		if err := p.freeProject(r); err != nil {
			return err
		}
		p.reached("freed")
	}
	return os.RemoveAll(dir)
}

// freeProject takes the limit from a volume without files, whose number may then be
// another's. Files that are open, or that the file system gives back a little
// later, as xfs does, are waited for: without a limit they could grow for ever.
func (p *Pool) freeProject(r Record) error {
	const attempts, pause = 100, 10 * time.Millisecond
	if r.Project < quota.First || r.Project > quota.Last {
		return nil // it never had one
	}
	var used quota.Amount
	for range attempts {
		project, err := quota.Get(p.dir, r.Project)
		if errors.Is(err, quota.ErrNone) {
			return nil // the file system has forgotten them all
		}
		if err != nil {
			return err
		}
		if used = project.Used; used == (quota.Amount{}) {
			return quota.Set(p.dir, r.Project, quota.Amount{})
		}
		time.Sleep(pause)
	}
	return fmt.Errorf("%w: %d bytes of the deleted volume %s, in %d files of project %d, are held open by a process, and are free when it ends",
		ErrInUse, used.Bytes, r.ID, used.Inodes, r.Project)
}
