package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/util/uuid"
)

const (
	// identityFile makes a directory a pool. No volume ID starts with a dot.
	identityFile = ".pool.json"
	// identityVersion rises when an older Mainstay would misread a newer pool.
	identityVersion = 1
)

// identity is what a pool knows of itself. It is written once, so that a pool is
// never taken for another one, nor the directory below a mount point for the pool
// that was mounted there.
type identity struct {
	Version int `json:"version"`
	// ID is random, and no other pool's.
	ID string `json:"id"`
	// Name is the pool's on its node; volumes are known by it.
	Name string `json:"name"`
}

func (i identity) version() int { return i.Version }

// readIdentity gives the identity of the pool in dir; the error wraps ErrNotFound
// if there is no pool.
func readIdentity(dir string) (identity, error) {
	var i identity
	err := readVersioned(filepath.Join(dir, identityFile), "pool", identityVersion, &i)
	return i, err
}

// directoryContent is what was found where a pool should be.
type directoryContent struct {
	// identity has no ID where there is no pool.
	identity identity
	// foreign is one of the files there that are not of a pool; empty without any.
	foreign string
}

// lookInto reads what is in a directory that is, or becomes, a pool. Volumes alone
// are no foreign files: a pool of an older Mainstay has no identity.
func lookInto(dir string) (directoryContent, error) {
	found, err := readIdentity(dir)
	if err == nil || !errors.Is(err, ErrNotFound) {
		return directoryContent{identity: found}, err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return directoryContent{}, nil
	}
	for _, e := range entries {
		if !ofPool(dir, e.Name()) {
			return directoryContent{foreign: e.Name()}, err
		}
	}
	return directoryContent{}, err
}

// ofPool says whether something of that name in dir is what a pool has, or the
// directory that mkfs.ext4 makes.
func ofPool(dir, name string) bool {
	switch name {
	case lostAndFound, lockFile, envelopeFile, identityFile + ".tmp", envelopeFile + ".tmp":
		return true
	}
	for _, prefix := range []string{creatingPrefix, deletingPrefix, snapshotPrefix, groupPrefix} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	_, err := os.Stat(filepath.Join(dir, name, recordFile))
	return err == nil
}

// recognize says whether what was found is the pool that is expected, and whether
// it is still to be made one. Expected has no ID if there was never a pool of that
// name on this node. The first rule that matches wins.
func recognize(found directoryContent, expected identity, path string) (isNew bool, err error) {
	has := found.identity
	switch {
	case has.ID != "" && has.Name != expected.Name:
		return false, fmt.Errorf("%w: what is at %s is the pool %s, not %s; say --pool %s=%s", ErrUnusable, path, has.Name, expected.Name, has.Name, path)
	case has.ID != "" && expected.ID != "" && has.ID != expected.ID:
		return false, fmt.Errorf("%w: what is at %s is another pool of the name %s (%s) than that of this node (%s): mount the right disk there",
			ErrUnusable, path, has.Name, has.ID, expected.ID)
	case has.ID != "":
		return false, nil
	case expected.ID != "":
		return false, fmt.Errorf("%w: pool %s is not at %s any more: is its disk mounted there?", ErrUnusable, expected.Name, path)
	case found.foreign != "":
		return false, fmt.Errorf("%w: %s holds files that are not Mainstay's, such as %s: name an empty directory for the pool, %s say",
			ErrUnusable, path, found.foreign, filepath.Join(path, "mainstay"))
	}
	return true, nil
}

// identify gives the identity of the pool in dir, which is new there or the one
// that is expected. Of several processes that do so at once one makes the pool.
func identify(dir string, expected identity, path string) (identity, error) {
	found, err := lookInto(dir)
	if err != nil {
		return identity{}, err
	}
	if isNew, err := recognize(found, expected, path); err != nil || !isNew {
		return found.identity, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), spacePatience)
	defer cancel()
	unlock, err := lock(ctx, dir, spaceLock)
	if err != nil {
		return identity{}, err
	}
	defer unlock()
	if found, err := readIdentity(dir); err == nil {
		return found, nil // another process was first
	}
	made := identity{Version: identityVersion, ID: string(uuid.NewUUID()), Name: expected.Name}
	return made, writeJSON(filepath.Join(dir, identityFile), made)
}

// usable says whether the pool is where it was opened; the error wraps ErrUnusable
// and says what to do. Where a disk was unmounted there is still a directory: so
// nothing may be written, or be said to be missing, before this was asked.
func (p *Pool) usable() error {
	found, err := readIdentity(p.dir)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("%w: pool %s cannot be read: %w; look at its disk (dmesg)", ErrUnusable, p.identity.Name, err)
	}
	_, err = recognize(directoryContent{identity: found}, p.identity, p.dir)
	return err
}

// writable is usable for whoever will write.
func (p *Pool) writable() error {
	if err := p.usable(); err != nil {
		return err
	}
	var s unix.Statfs_t
	if err := unix.Statfs(p.dir, &s); err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	if s.Flags&unix.ST_RDONLY != 0 {
		return fmt.Errorf("%w: the file system of pool %s at %s is read-only: find out why (dmesg), then mount it for writing", ErrUnusable, p.identity.Name, p.dir)
	}
	return nil
}
