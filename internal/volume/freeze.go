package volume

import (
	"context"
	"errors"
	"os"
	"time"
)

// frozen does something while the file systems are frozen.
func (p *Pool) frozen(ctx context.Context, mounts []string, records []Record, do func() error) (time.Duration, error) {
	if len(mounts) == 0 {
		return 0, do()
	}
	var locks []*os.File
	defer func() {
		for _, l := range locks {
			l.Close()
		}
	}()
	for _, r := range records {
		dir, err := os.Open(p.volumeDir(r.ID))
		if err != nil {
			return 0, err
		}
		locks = append(locks, dir)
	}
	f, err := p.freeze(ctx, mounts, locks, p.frozenLimit)
	if err != nil {
		return 0, err
	}
	p.reached("frozen")
	err = do()
	p.reached("cut")
	frozen, thawed := f.thaw()
	p.reached("thawed")
	return frozen, errors.Join(err, thawed)
}
