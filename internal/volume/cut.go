package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Exclusive waits until no other operation on the volume is under way, and keeps
// others out until release is called. Pool.Lock is one.
type Exclusive func(ctx context.Context, id string) (release func(), err error)

// imageCopy asks for a copy of a volume's image.
type imageCopy struct {
	volume string // its ID
	to     string // an existing file that reads as zeros; enlarged where it is too small
}

// cut is the moment at which volumes were copied.
type cut struct {
	// records are those of the moment, in the order of the copies.
	records []Record
	at      time.Time
	// frozen is how long the volumes' users had to wait.
	frozen time.Duration
}

// copyAtOnce copies the images of volumes, in use or not, as they all are at one
// moment, and sees the copies on disk.
//
// Where the pool's file system shares blocks between files, the moment is that
// of sharing them, and the bytes are copied afterwards: a volume that went on
// sharing its blocks would need new ones for each write, which the pool may not
// have. Everywhere else the bytes are copied while the volumes are in use, and
// copied again, as far as they have changed, while they are frozen.
func (p *Pool) copyAtOnce(ctx context.Context, copies []imageCopy, exclusive Exclusive) (cut, error) {
	sharing, giveBack, err := p.mayShare(copies)
	if err != nil {
		return cut{}, err
	}
	defer giveBack()
	if !sharing {
		if err := p.rehearse(ctx, copies); err != nil {
			return cut{}, err
		}
		p.reached("copied in use")
	}
	made, err := p.cutExclusively(ctx, copies, sharing, exclusive)
	if err != nil {
		return cut{}, err
	}
	if sharing {
		if err := p.endSharing(ctx, copies); err != nil {
			return cut{}, err
		}
	}
	return made, syncAll(copies)
}

// endSharing copies what the volumes share, and leaves their blocks to them.
func (p *Pool) endSharing(ctx context.Context, copies []imageCopy) error {
	for _, c := range copies {
		if err := copyImage(ctx, shared(c), c.to); err != nil {
			return err
		}
		p.reached("copied")
		if err := os.Remove(shared(c)); err != nil {
			return err
		}
	}
	return nil
}

// shared is the file that shares its blocks with the volume, until it is copied.
func shared(c imageCopy) string { return c.to + ".shared" }

// mayShare says whether the volumes' blocks can be shared for a while: the file
// system does it, and has room for every block that a volume in use may need anew
// meanwhile. That room is nobody else's until giveBack is called.
func (p *Pool) mayShare(copies []imageCopy) (sharing bool, giveBack func(), err error) {
	giveBack = func() {}
	sharing, err = canReflink(filepath.Dir(copies[0].to))
	if err != nil || !sharing {
		return false, giveBack, err
	}
	var needed int64
	for _, c := range copies {
		bytes, err := dataBytes(p.image(c.volume))
		if err != nil {
			return false, giveBack, notFound(err, c.volume)
		}
		needed += bytes
	}
	err = p.admitted(needed, func() error { p.owed.Add(needed); return nil })
	if errors.Is(err, ErrNoSpace) {
		return false, giveBack, nil
	}
	return err == nil, func() { p.owed.Add(-needed) }, err
}

// cutExclusively is copyAtOnce's moment. No operation on the volumes happens
// meanwhile, and those that are mounted are frozen.
func (p *Pool) cutExclusively(ctx context.Context, copies []imageCopy, sharing bool, exclusive Exclusive) (made cut, err error) {
	release, err := exclusively(ctx, copies, exclusive)
	if err != nil {
		return cut{}, err
	}
	defer release()
	for _, c := range copies {
		r, err := p.Get(c.volume)
		if err != nil {
			return cut{}, err
		}
		made.records = append(made.records, r)
	}
	raw, err := p.syncRawInUse(made.records)
	if err != nil {
		return cut{}, err
	}
	if len(raw) > 0 && len(copies) > 1 {
		return cut{}, fmt.Errorf("%w: raw block volume %s cannot be frozen with the others of its group; stop its pod, or take a snapshot of it alone", ErrInUse, raw[0])
	}
	mounts, err := p.mountsToFreeze(copies)
	if err != nil {
		return cut{}, err
	}
	made.frozen, err = p.frozen(ctx, mounts, made.records, func() error {
		made.at = time.Now().UTC()
		if sharing {
			return p.share(copies)
		}
		return p.copyStill(ctx, copies, raw)
	})
	return made, err
}

// exclusively locks the volumes in the order of their IDs, so that two groups
// never wait for each other.
func exclusively(ctx context.Context, copies []imageCopy, exclusive Exclusive) (func(), error) {
	var ids []string
	for _, c := range copies {
		ids = append(ids, c.volume)
	}
	slices.Sort(ids)
	var held []func()
	release := func() {
		for _, r := range held {
			r()
		}
	}
	for _, id := range slices.Compact(ids) {
		r, err := exclusive(ctx, id)
		if err != nil {
			release()
			return nil, err
		}
		held = append(held, r)
	}
	return release, nil
}

func (p *Pool) share(copies []imageCopy) error {
	for _, c := range copies {
		if err := reflink(p.image(c.volume), shared(c)); err != nil {
			return fmt.Errorf("share the blocks of volume %s: %w", c.volume, err)
		}
	}
	return nil
}
