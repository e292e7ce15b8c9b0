package volume

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// frozenLimit is how long a volume in use may be frozen for a copy. Its pod
// cannot write meanwhile, and a database that does not answer for longer is
// taken for dead.
const frozenLimit = 60 * time.Second

// restlessAttempts bounds how often a raw block volume in use is read, in the
// hope that nobody writes to it meanwhile.
const restlessAttempts = 3

// rehearse copies volumes while they are in use. The first round does the work;
// a second one tells how long a volume would be frozen, and leaves even less to
// do then.
func (p *Pool) rehearse(ctx context.Context, copies []imageCopy) error {
	if _, err := p.copyRound(ctx, copies); err != nil {
		return err
	}
	mounts, err := p.mountsToFreeze(copies)
	if err != nil || len(mounts) == 0 {
		return err
	}
	if err := syncAll(copies); err != nil {
		return err
	}
	start := time.Now()
	if _, err := p.copyRound(ctx, copies); err != nil {
		return err
	}
	return mayFreezeFor(time.Since(start), p.frozenLimit)
}

// mayFreezeFor refuses to freeze volumes for longer than is right.
func mayFreezeFor(expected, limit time.Duration) error {
	if expected <= limit {
		return nil
	}
	return fmt.Errorf("%w: its pod would be frozen for about %v, and at most %v are right: stop the pod for the time of the copy, "+
		"or put the pool on xfs or btrfs, where the moment is short", ErrInUse, expected.Round(time.Second), limit)
}

// copyRound copies once what differs, and gives how much that was.
func (p *Pool) copyRound(ctx context.Context, copies []imageCopy) (written int64, err error) {
	for _, c := range copies {
		n, err := p.copyVolume(ctx, c)
		if err != nil {
			return 0, err
		}
		written += n
	}
	return written, nil
}

func (p *Pool) copyVolume(ctx context.Context, c imageCopy) (int64, error) {
	source, target, err := openBoth(p.image(c.volume), c.to)
	if err != nil {
		return 0, notFound(err, c.volume)
	}
	defer source.Close()
	defer target.Close()
	return copyDifferences(ctx, source, target)
}

// copyStill copies what differs while nothing can be written to the volumes.
// Raw block volumes in use cannot be frozen: they count as still when they
// were read twice and nothing had changed between.
func (p *Pool) copyStill(ctx context.Context, copies []imageCopy, raw []string) error {
	for range restlessAttempts {
		written, err := p.copyRound(ctx, copies)
		if err != nil || len(raw) == 0 || written == 0 {
			return err
		}
		p.reached("written to meanwhile")
	}
	return fmt.Errorf("%w: raw block volume %s is being written to, and its pool's file system cannot copy it in one moment: "+
		"stop its pod for the time of the copy, or put the pool on xfs or btrfs", ErrInUse, strings.Join(raw, ", "))
}

// syncAll sees the copies on disk.
func syncAll(copies []imageCopy) error {
	for _, c := range copies {
		if err := syncFile(c.to); err != nil {
			return err
		}
	}
	return nil
}
