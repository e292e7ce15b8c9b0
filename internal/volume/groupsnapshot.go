package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// SnapshotGroup takes snapshots of several volumes of this pool as they all are
// at one moment: whatever was written to one volume after something was written
// to another, the snapshot of the first is never newer than that of the second.
// There are snapshots of all volumes afterwards, or of none. A group of that name
// that an earlier call has taken is given again.
//
// Errors are those of Snapshot; a raw block volume in use cannot be frozen, and
// so be in no group.
func (p *Pool) SnapshotGroup(ctx context.Context, name string, volumes []string, exclusive Exclusive) ([]Snapshot, error) {
	id := IDFor(name)
	volumes = slices.Compact(slices.Sorted(slices.Values(volumes)))
	existing, err := p.GetGroup(id)
	switch {
	case err == nil:
		return existing, sameVolumes(id, existing, volumes)
	case !errors.Is(err, ErrNotFound):
		return nil, err
	}
	var taken []Snapshot
	err = p.makeDir(groupPrefix+id, func(dir string) error {
		var dirs []string
		for _, v := range volumes {
			dirs = append(dirs, filepath.Join(dir, memberID(id, v)))
			if err := os.Mkdir(dirs[len(dirs)-1], 0o700); err != nil {
				return err
			}
		}
		taken, err = p.take(ctx, volumes, dirs, exclusive, func(r Record, c cut) Snapshot {
			s := snapshotOf(r, memberID(id, r.ID), c.at, c.frozen)
			s.Group = id
			return s
		})
		return err
	})
	return taken, err
}

// memberID is the ID of the snapshot of a volume in a group.
func memberID(group, volume string) string { return IDFor(group + "/" + volume) }

func sameVolumes(id string, members []Snapshot, volumes []string) error {
	var has []string
	for _, m := range members {
		has = append(has, m.Volume)
	}
	slices.Sort(has)
	if slices.Equal(has, volumes) {
		return nil
	}
	return fmt.Errorf("%w: group %s is of the volumes %s, one of %s was asked for",
		ErrConflict, id, strings.Join(has, ", "), strings.Join(volumes, ", "))
}

// GetGroup gives the snapshots of a group in the order of their IDs; the error
// wraps ErrNotFound where there is no such group.
func (p *Pool) GetGroup(id string) ([]Snapshot, error) {
	if !validID(id) {
		return nil, fmt.Errorf("%w: %q is not the ID of a group", ErrNotFound, id)
	}
	dir := filepath.Join(p.dir, groupPrefix+id)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, p.missing(fmt.Errorf("%w: there is no group of snapshots %s", ErrNotFound, id))
	}
	if err != nil {
		return nil, err
	}
	var members []Snapshot
	for _, e := range entries {
		s, err := readSnapshot(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		members = append(members, s)
	}
	return members, nil
}

// DeleteGroup removes a group and all its snapshots for good. One that is not
// there is deleted already.
func (p *Pool) DeleteGroup(id string) error {
	if !validID(id) {
		return nil // no group can have this ID
	}
	return p.removeDir(groupPrefix + id)
}
