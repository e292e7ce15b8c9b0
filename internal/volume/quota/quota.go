package quota

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrNone says that the file system keeps no account of projects.
var ErrNone = errors.New("no project quotas")

// Amount is space on a file system, in bytes and files. A limit of 0 is none.
type Amount struct{ Bytes, Inodes int64 }

// Project is what the file system knows of one.
type Project struct {
	ID uint32
	// Limit is the most that its files may take; Used is what they take now.
	Limit, Used Amount
}

// The calls and their structures are those of linux/quota.h and linux/dqblk_xfs.h.
const (
	getNextQuota = 0x800009
	getQuota     = 0x800007
	setQuota     = 0x800008
	getState     = 'X'<<8 + 8

	ofProjects = 2 // PRJQUOTA

	validLimits = 1 | 4 // QIF_LIMITS

	stateVersion      = 1
	projectsAccounted = 1 << 4
	projectsEnforced  = 1 << 5

	// blockSize is that of limits; usage is in bytes.
	blockSize = 1024
)

// account is struct if_nextdqblk, of which if_dqblk is the beginning.
type account struct {
	bytesHard, bytesSoft, bytes    uint64
	inodesHard, inodesSoft, inodes uint64
	bytesTime, inodesTime          uint64
	valid, id                      uint32
}

// state is struct fs_quota_statv, as far as it is looked at.
type state struct {
	version int8
	_       uint8
	flags   uint16
	_       [164]byte
}

func (a account) project(id uint32) Project {
	return Project{
		ID:    id,
		Limit: Amount{int64(a.bytesHard) * blockSize, int64(a.inodesHard)},
		Used:  Amount{int64(a.bytes), int64(a.inodes)},
	}
}

// Enforced says whether the file system of dir holds projects to their limits. The
// error wraps ErrNone if it does not even count.
func Enforced(dir string) (bool, error) {
	s := state{version: stateVersion}
	if err := call(dir, getState, 0, unsafe.Pointer(&s)); err != nil {
		return false, err
	}
	if s.flags&projectsAccounted == 0 {
		return false, fmt.Errorf("%w on the file system of %s", ErrNone, dir)
	}
	return s.flags&projectsEnforced != 0, nil
}

// Set limits a project on the file system of dir. Amounts of bytes are rounded down
// to KiB.
func Set(dir string, id uint32, limit Amount) error {
	a := account{bytesHard: uint64(limit.Bytes / blockSize), inodesHard: uint64(limit.Inodes), valid: validLimits}
	return call(dir, setQuota, id, unsafe.Pointer(&a))
}

// Get tells of a project on the file system of dir; of one that it has never heard
// of, too.
func Get(dir string, id uint32) (Project, error) {
	var a account
	err := call(dir, getQuota, id, unsafe.Pointer(&a))
	if errors.Is(err, unix.ENOENT) {
		return Project{ID: id}, nil
	}
	return a.project(id), err
}

// List gives the projects on the file system of dir that have our numbers, limits
// or files, in the order of their numbers. The error wraps ErrNone if it does not
// count any.
func List(dir string) (projects []Project, err error) {
	// This, unlike the rest, may be asked by anybody.
	if _, err := Enforced(dir); err != nil {
		return nil, err
	}
	for next := uint32(First); next <= Last; next++ {
		var a account
		err := call(dir, getNextQuota, next, unsafe.Pointer(&a))
		if errors.Is(err, unix.ENOENT) {
			break // there are none above
		}
		if err != nil {
			return nil, err
		}
		if a.id > Last {
			break
		}
		if p := a.project(a.id); p.Limit != (Amount{}) || p.Used != (Amount{}) {
			projects = append(projects, p)
		}
		next = a.id
	}
	return projects, nil
}

// call asks the file system of dir.
func call(dir string, command uintptr, id uint32, about unsafe.Pointer) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	_, _, failed := unix.Syscall6(unix.SYS_QUOTACTL_FD, f.Fd(), command<<8|ofProjects, uintptr(id), uintptr(about), 0, 0)
	switch failed {
	case 0:
		return nil
	case unix.ENOSYS, unix.ESRCH, unix.EOPNOTSUPP: // no such call, quotas off, no quotas at all
		return fmt.Errorf("%w on the file system of %s (%w)", ErrNone, dir, failed)
	}
	return fmt.Errorf("ask for the quota of project %d on the file system of %s: %w", id, dir, failed)
}
