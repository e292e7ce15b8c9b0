package engine

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

// DefaultPool is the name of the pool that every machine has.
const DefaultPool = volume.DefaultPool

// PoolEnvelope is what this machine's pool of volumes was measured to do.
type PoolEnvelope = qos.Envelope

// ErrNoPool says that there was never an engine with this data directory.
var ErrNoPool = errors.New("there is no pool of volumes here yet: start one with `mainstay up`")

// ProbePool measures what this machine's pool of that name can do, whether the
// engine runs or not; one that runs takes the result into account at once. Each
// of five measurements takes that long. Report is told what is being done.
func ProbePool(ctx context.Context, paths Paths, name string, each time.Duration, report func(doing string)) (PoolEnvelope, error) {
	if _, err := os.Stat(paths.Pool()); errors.Is(err, fs.ErrNotExist) {
		return PoolEnvelope{}, ErrNoPool
	}
	all, err := pools(paths)
	if err != nil {
		return PoolEnvelope{}, err
	}
	pool, err := all.Pool(name)
	if err != nil {
		return PoolEnvelope{}, err
	}
	return pool.Probe(ctx, each, report)
}
