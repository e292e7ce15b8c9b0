package quota

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// attributes is struct fsxattr (linux/fs.h).
type attributes struct {
	flags, extentSize, extents, project, cowExtentSize uint32
	_                                                  [8]byte
}

const (
	getAttributes = 0x801c581f // FS_IOC_FSGETXATTR
	setAttributes = 0x401c5820 // FS_IOC_FSSETXATTR

	// inherited gives what is made in a directory the directory's project.
	inherited = 0x200
)

// Assign gives the directory, and whatever will be made in it, to a project. What
// is in it already stays where it is.
func Assign(dir string, id uint32) error {
	return withAttributes(dir, func(fd uintptr, a attributes) error {
		a.project, a.flags = id, a.flags|inherited
		return ioctl(fd, setAttributes, &a)
	})
}

// Assigned says whether the directory, and whatever is made in it, is a project's.
func Assigned(dir string, id uint32) (assigned bool, err error) {
	err = withAttributes(dir, func(_ uintptr, a attributes) error {
		assigned = a.project == id && a.flags&inherited != 0
		return nil
	})
	return assigned, err
}

func withAttributes(path string, do func(fd uintptr, a attributes) error) error {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	var a attributes
	if err := ioctl(f.Fd(), getAttributes, &a); err != nil {
		return fmt.Errorf("look for the project of %s: %w", path, err)
	}
	if err := do(f.Fd(), a); err != nil {
		return fmt.Errorf("give %s to a project: %w", path, err)
	}
	return nil
}

func ioctl(fd, request uintptr, a *attributes) error {
	if _, _, failed := unix.Syscall(unix.SYS_IOCTL, fd, request, uintptr(unsafe.Pointer(a))); failed != 0 {
		return failed
	}
	return nil
}
