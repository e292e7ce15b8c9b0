package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Snapshots and groups of them are directories of the pool with these prefixes.
// No volume ID starts with a dot.
const (
	snapshotPrefix = ".snapshot-"
	groupPrefix    = ".group-"
)

// SnapshotLock and GroupLock give what to Lock for a snapshot or a group of that
// ID. A call that has locked one of them, or a volume that is being made, may wait
// for volumes that there are; never the other way round.
func SnapshotLock(id string) string { return snapshotPrefix + id }

// GroupLock is described at SnapshotLock.
func GroupLock(id string) string { return groupPrefix + id }

// Snapshot keeps what a volume, in use or not, holds at one moment, or gives the
// snapshot of that name that an earlier call has taken. It owns its bytes: it
// outlives the volume, and the volume needs none of them.
//
// Of a file system all that was written before the call is in it. Of a raw block
// volume, all that was flushed. Errors wrap ErrNotFound, ErrNoSpace, ErrConflict
// (the name is taken by a snapshot of another volume) or ErrInUse (the volume
// cannot be copied in one moment now; the message says what to do).
func (p *Pool) Snapshot(ctx context.Context, name, volumeID string, exclusive Exclusive) (Snapshot, error) {
	id := IDFor(name)
	existing, err := p.GetSnapshot(id)
	switch {
	case err == nil && existing.Volume != volumeID:
		return Snapshot{}, fmt.Errorf("%w: snapshot %s is of volume %s, one of %s was asked for", ErrConflict, id, existing.Volume, volumeID)
	case err == nil || !errors.Is(err, ErrNotFound):
		return existing, err
	}
	var taken []Snapshot
	err = p.makeDir(snapshotPrefix+id, func(dir string) error {
		taken, err = p.take(ctx, []string{volumeID}, []string{dir}, exclusive, func(r Record, c cut) Snapshot {
			s := snapshotOf(r, id, c.at, c.frozen)
			s.Name = name
			return s
		})
		return err
	})
	if err != nil {
		return Snapshot{}, err
	}
	return taken[0], nil
}

// take fills a directory for each volume with its snapshot, all of one moment.
func (p *Pool) take(ctx context.Context, volumes, dirs []string, exclusive Exclusive, describe func(Record, cut) Snapshot) ([]Snapshot, error) {
	var copies []imageCopy
	for i, id := range volumes {
		if _, err := p.Get(id); err != nil {
			return nil, err
		}
		c := imageCopy{volume: id, to: filepath.Join(dirs[i], imageFile)}
		if err := p.reserve(c.to, p.image(id)); err != nil {
			return nil, notFound(err, id)
		}
		copies = append(copies, c)
	}
	p.reached("reserved")
	made, err := p.copyAtOnce(ctx, copies, exclusive)
	if err != nil {
		return nil, err
	}
	p.reached("on disk")
	var taken []Snapshot
	for i, r := range made.records {
		s := describe(r, made)
		if err := writeSnapshot(dirs[i], s); err != nil {
			return nil, err
		}
		taken = append(taken, s)
	}
	return taken, nil
}

// makeDir makes a directory of the pool that appears with all its content, or
// not at all.
func (p *Pool) makeDir(name string, fill func(dir string) error) error {
	workDir := filepath.Join(p.dir, creatingPrefix+name)
	// A call that was killed may have left anything here.
	if err := os.RemoveAll(workDir); err != nil {
		return err
	}
	if err := os.Mkdir(workDir, 0o700); err != nil {
		return err
	}
	p.reached("directory made")
	if err := fill(workDir); err != nil {
		return errors.Join(err, os.RemoveAll(workDir))
	}
	p.reached("built")
	if err := os.Rename(workDir, filepath.Join(p.dir, name)); err != nil {
		return errors.Join(err, os.RemoveAll(workDir))
	}
	p.reached("renamed")
	return syncDir(p.dir)
}

// removeDir makes a directory of the pool disappear at once. One that is not
// there is removed already.
func (p *Pool) removeDir(name string) error {
	doomed := filepath.Join(p.dir, deletingPrefix+name)
	// What an earlier call that was killed has left.
	if err := os.RemoveAll(doomed); err != nil {
		return err
	}
	err := os.Rename(filepath.Join(p.dir, name), doomed)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	p.reached("renamed")
	if err := syncDir(p.dir); err != nil {
		return err
	}
	return os.RemoveAll(doomed)
}

// DeleteSnapshot removes a snapshot for good. One that is not there is deleted
// already. The error wraps ErrMember if it belongs to a group.
func (p *Pool) DeleteSnapshot(id string) error {
	s, err := p.GetSnapshot(id)
	switch {
	case err == nil && s.Group != "":
		return fmt.Errorf("%w: snapshot %s can only be deleted with its group %s", ErrMember, id, s.Group)
	case !validID(id):
		return nil // no snapshot can have this ID
	}
	return p.removeDir(snapshotPrefix + id)
}

// GetSnapshot gives a snapshot, alone or in a group; the error wraps ErrNotFound
// where there is none.
func (p *Pool) GetSnapshot(id string) (Snapshot, error) {
	dir, err := p.snapshotDir(id)
	if err != nil {
		return Snapshot{}, err
	}
	return readSnapshot(dir)
}

// snapshotDir finds the directory of a snapshot, alone or in a group.
func (p *Pool) snapshotDir(id string) (string, error) {
	if !validID(id) {
		return "", fmt.Errorf("%w: %q is not a snapshot ID", ErrNotFound, id)
	}
	alone := filepath.Join(p.dir, snapshotPrefix+id)
	if _, err := os.Stat(alone); !errors.Is(err, fs.ErrNotExist) {
		return alone, err
	}
	groups, err := p.withPrefix(groupPrefix)
	if err != nil {
		return "", err
	}
	for _, group := range groups {
		member := filepath.Join(p.dir, groupPrefix+group, id)
		if _, err := os.Stat(member); !errors.Is(err, fs.ErrNotExist) {
			return member, err
		}
	}
	return "", fmt.Errorf("%w: there is no snapshot %s", ErrNotFound, id)
}

// withPrefix gives what follows the prefix in the names of the pool's directories.
func (p *Pool) withPrefix(prefix string) (ids []string, err error) {
	entries, err := os.ReadDir(p.dir)
	for _, e := range entries {
		if id, ok := strings.CutPrefix(e.Name(), prefix); ok {
			ids = append(ids, id)
		}
	}
	return ids, err
}

// ListSnapshots gives all snapshots, those in groups too, in the order of their
// IDs.
func (p *Pool) ListSnapshots() ([]Snapshot, error) {
	alone, err := p.withPrefix(snapshotPrefix)
	if err != nil {
		return nil, err
	}
	var all []Snapshot
	for _, id := range alone {
		s, err := readSnapshot(filepath.Join(p.dir, snapshotPrefix+id))
		if errors.Is(err, ErrNotFound) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	groups, err := p.withPrefix(groupPrefix)
	if err != nil {
		return nil, err
	}
	for _, id := range groups {
		members, err := p.GetGroup(id)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		all = append(all, members...)
	}
	slices.SortFunc(all, func(a, b Snapshot) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}
