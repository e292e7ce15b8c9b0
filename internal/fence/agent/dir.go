package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"
)

// Dir are the directories of a node's part of the fence.
type Dir struct {
	// Disk outlives reboots.
	Disk string
	// Memory is on no disk, and empty after a reboot: whoever stops the pets must not
	// have to wait for a disk that hangs.
	Memory string
}

func (d Dir) file(name string) string { return filepath.Join(d.Disk, name) }

// Spared is the file of the pods that are no pets.
func (d Dir) Spared() Spared { return Spared{Path: filepath.Join(d.Memory, "spared")} }

// Armed tells whether this machine has ever had a lease: then no pet runs
// without one, also after a reboot.
func (d Dir) Armed() bool {
	armed, err := d.armed()
	return armed || err != nil
}

func (d Dir) armed() (bool, error) {
	_, err := os.Stat(d.file("armed"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// arm is durable when it returns.
func (d Dir) arm() error {
	file, err := os.OpenFile(d.file("armed"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := file.Sync(); err != nil {
		return err
	}
	directory, err := os.Open(d.Disk)
	if err != nil {
		return err
	}
	defer directory.Close()
	return directory.Sync()
}

// Machine names the machine, whatever its node is called: a random name that is
// made once.
func (d Dir) Machine() (string, error) {
	if err := os.MkdirAll(d.Disk, 0o700); err != nil {
		return "", err
	}
	path := d.file("machine")
	content, err := os.ReadFile(path)
	if name := strings.TrimSpace(string(content)); err == nil && name != "" {
		return name, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	name := uuid.NewString()
	if err := os.WriteFile(path+".tmp", []byte(name+"\n"), 0o600); err != nil {
		return "", err
	}
	return name, os.Rename(path+".tmp", path)
}

// executionerLock is held by the one executioner of this directory.
func (d Dir) executionerLock() (*os.File, error) {
	if err := os.MkdirAll(d.Memory, 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(filepath.Join(d.Memory, "executioner.lock"), os.O_CREATE|os.O_RDWR, 0o600)
}

// lockExecutioner makes its process the executioner, until the file is closed.
func (d Dir) lockExecutioner() (*os.File, error) {
	file, err := d.executionerLock()
	if err != nil {
		return nil, err
	}
	if err := unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
		file.Close()
		return nil, fmt.Errorf("another executioner is at work: %w", err)
	}
	return file, nil
}

var errNoExecutioner = errors.New("no executioner runs")

// ExecutionerRuns returns nil if one does; see Node.Executioner. It only asks for the
// lock: an executioner that starts meanwhile still gets it.
func (d Dir) ExecutionerRuns(context.Context) error {
	file, err := d.executionerLock()
	if err != nil {
		return err
	}
	defer file.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(file.Fd(), unix.F_OFD_GETLK, &lock); err != nil {
		return err
	}
	if lock.Type == unix.F_UNLCK {
		return errNoExecutioner
	}
	return nil
}
