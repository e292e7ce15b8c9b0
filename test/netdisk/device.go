package netdisk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Device is a disk on a node: a loop device, whose file is at the server.
type Device struct {
	Path string // such as /dev/loop7

	dir     string // where its file is mounted
	session *session
	server  *fuse.Server
}

// OpenDevice makes the device of a disk that is attached to a node. It uses the
// directory dir, which is nobody else's. A request that takes longer than patience
// fails.
func OpenDevice(ctx context.Context, server string, writer Writer, dir string, patience time.Duration) (*Device, error) {
	if err := removeDevice(dir); err != nil { // that of a process that was killed
		return nil, err
	}
	session, err := openSession(ctx, server, writer, patience)
	if err != nil {
		return nil, err
	}
	d := &Device{dir: dir, session: session}
	if err := d.open(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Device) open() (err error) {
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return err
	}
	d.server, err = fusefs.Mount(d.dir, &root{file: &file{session: d.session}}, &fusefs.Options{MountOptions: fuse.MountOptions{
		DirectMountStrict: true, MaxWrite: 1 << 19, FsName: "netdisk", Name: "netdisk",
	}})
	if err != nil {
		return fmt.Errorf("mount the file of disk %s: %w", d.session.writer.Disk, err)
	}
	// Direct: what a write returns for has reached the server, and what is read comes
	// from there.
	d.Path, err = losetup("--find", "--show", "--direct-io=on", filepath.Join(d.dir, fileName))
	return err
}

// Close removes the device. Nobody may have it mounted.
func (d *Device) Close() error {
	err := removeDevice(d.dir)
	d.session.close()
	return err
}

// removeDevice removes what a device has made, as far as it is there.
func removeDevice(dir string) error {
	loops, err := losetup("--list", "--noheadings", "--output", "NAME,BACK-FILE")
	if err != nil {
		return err
	}
	for _, line := range strings.Split(loops, "\n") {
		// The file itself may not answer any more.
		if words := strings.Fields(line); len(words) == 2 && words[1] == filepath.Join(dir, fileName) {
			if _, err := losetup("--detach", words[0]); err != nil {
				return err
			}
		}
	}
	if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount %s: %w", dir, err)
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func losetup(arguments ...string) (string, error) {
	output, err := exec.Command("losetup", arguments...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("losetup %s: %w: %s", strings.Join(arguments, " "), err, output)
	}
	return strings.TrimSpace(string(output)), nil
}

const fileName = "disk"

type root struct {
	fusefs.Inode
	file *file
}

// OnAdd makes the one file.
func (r *root) OnAdd(ctx context.Context) {
	r.AddChild(fileName, r.NewPersistentInode(ctx, r.file, fusefs.StableAttr{Mode: syscall.S_IFREG}), true)
}

// file carries what the loop device asks of its file to the server.
type file struct {
	fusefs.Inode
	session *session
}

func (f *file) Getattr(_ context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size = syscall.S_IFREG|0o600, uint64(f.session.size)
	return 0
}

func (f *file) Open(context.Context, uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

func (f *file) Read(ctx context.Context, _ fusefs.FileHandle, buffer []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	length := max(0, min(int64(len(buffer)), f.session.size-offset)) // not beyond the end
	data, err := do[[]byte](ctx, f.session, "Read", Request{Offset: offset, Length: int(length)})
	return fuse.ReadResultData(data), f.failure(err)
}

func (f *file) Write(ctx context.Context, _ fusefs.FileHandle, data []byte, offset int64) (uint32, syscall.Errno) {
	_, err := do[Nothing](ctx, f.session, "Write", Request{Offset: offset, Data: data})
	return uint32(len(data)), f.failure(err)
}

func (f *file) Fsync(ctx context.Context, _ fusefs.FileHandle, _ uint32) syscall.Errno {
	_, err := do[Nothing](ctx, f.session, "Sync", Request{})
	return f.failure(err)
}

func (f *file) failure(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	fmt.Fprintf(os.Stderr, "%s in epoch %d: %v\n", f.session.writer.Node, f.session.writer.Epoch, err)
	return syscall.EIO
}

// Epoch is that of the attachment that the device is for.
func (d *Device) Epoch() int64 { return d.session.writer.Epoch }
