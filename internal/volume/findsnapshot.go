package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

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
	return "", p.missing(fmt.Errorf("%w: there is no snapshot %s", ErrNotFound, id))
}

// withPrefix gives what follows the prefix in the names of the pool's directories.
func (p *Pool) withPrefix(prefix string) (ids []string, err error) {
	entries, err := os.ReadDir(p.dir)
	for _, e := range entries {
		if id, ok := strings.CutPrefix(e.Name(), prefix); ok {
			ids = append(ids, id)
		}
	}
	return ids, p.missing(err)
}

// ListSnapshots gives all snapshots, those in groups too, in the order of their
// IDs.
func (p *Pool) ListSnapshots() ([]Snapshot, error) {
	if err := p.usable(); err != nil {
		return nil, err
	}
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
