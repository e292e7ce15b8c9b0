package volume

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
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
// (the name is taken by a snapshot of another volume), ErrSource (the volume is a
// directory) or ErrInUse (the volume cannot be copied in one moment now; the message
// says what to do).
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
		r, err := p.Get(id)
		if err != nil {
			return nil, err
		}
		if err := refuseCopy(r); err != nil {
			return nil, err
		}
		if err := p.wholeVolume(r); err != nil {
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
