package volume

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

// Spec is what a volume is asked for with.
type Spec struct {
	// Name makes the request repeatable: one name is one volume.
	Name string
	// RequiredBytes and LimitBytes bound the size; 0 stands for "not said".
	RequiredBytes, LimitBytes int64
	FileSystem                FileSystem
	// Quality is promised and enforced from the first moment.
	Quality qos.Parameters
	// Claim is kept in the record for people.
	Claim string
}

// Create makes the volume that spec asks for, or gives the one that an earlier
// call has made, whose quality is not looked at: it may have changed since. Errors
// wrap ErrSize, ErrNoSpace, ErrConflict (the name is taken by a volume that does
// not fit spec), ErrUnsupported or qos.ErrNoPerformance.
func (p *Pool) Create(ctx context.Context, spec Spec) (Record, error) {
	return p.CreateFrom(ctx, spec, Source{}, nil)
}

// CreateFrom is Create for a volume that begins with what its source holds. It is
// as large as the source at least, and of the same file system. Errors may also
// wrap ErrNotFound, ErrSource or ErrInUse. Exclusive is asked for a source that is
// a volume.
func (p *Pool) CreateFrom(ctx context.Context, spec Spec, source Source, exclusive Exclusive) (Record, error) {
	size, err := ChooseSize(spec.RequiredBytes, spec.LimitBytes, spec.FileSystem)
	if err != nil {
		return Record{}, err
	}
	r := Record{
		Version: recordVersion,
		ID:      IDFor(spec.Name), Name: spec.Name, Claim: spec.Claim,
		Bytes: size, FileSystem: spec.FileSystem, FormattedBytes: size, Quality: spec.Quality, Source: source,
	}

	if err := refuseDirectory(r); err != nil {
		return Record{}, err
	}
	if r.Quality != (qos.Parameters{}) && p.cannotThrottle != nil {
		return Record{}, p.cannotThrottle
	}

	existing, err := p.Get(r.ID)
	switch {
	case err == nil && existing.Source != source:
		return existing, fmt.Errorf("%w: volume %s began with %s, one that begins with %s was asked for", ErrConflict, r.ID, existing.Source, source)
	case err == nil:
		return existing, fits(existing, spec)
	case !errors.Is(err, ErrNotFound):
		return Record{}, err
	}
	if spec.FileSystem == Directory {
		return p.createDirectory(r)
	}
	if source != (Source{}) {
		if r, err = p.shape(r, spec); err != nil {
			return Record{}, err
		}
	}
	// When it appears, the volume exists.
	return r, p.makeDir(r.ID, func(dir string) error { return p.build(ctx, dir, r, exclusive) })
}

// build makes the whole content of a volume's directory.
func (p *Pool) build(ctx context.Context, dir string, r Record, exclusive Exclusive) error {
	// From here on what the volume is promised counts, and is kept from others.
	if err := p.promise(dir, r, qos.Parameters{}); err != nil {
		return err
	}
	p.reached("promised")
	image := filepath.Join(dir, imageFile)
	if err := p.allocateAdmitted(image, r.Bytes, r.Bytes); err != nil {
		return err
	}
	p.reached("allocated")
	if r.Source != (Source{}) {
		if err := p.pour(ctx, r, image, exclusive); err != nil {
			return err
		}
		p.reached("filled")
		return nil
	}
	if err := format(ctx, p.exec, r.FileSystem, image); err != nil {
		return err
	}
	p.reached("formatted")
	return nil
}

// spacePatience is how long others may take to allocate their volumes' blocks.
const spacePatience = time.Minute

// allocateAdmitted takes growth bytes from the pool for the image, unless that
// would touch the pool's reserve.
func (p *Pool) allocateAdmitted(image string, size, growth int64) error {
	return p.admitted(growth, func() error { return allocate(image, size) })
}

// lockSpace keeps others from taking of what the pool has to give: bytes and
// performance.
func (p *Pool) lockSpace() (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(context.Background(), spacePatience)
	defer cancel()
	if unlock, err = lock(ctx, p.dir, spaceLock); err != nil {
		return nil, fmt.Errorf("take from the pool: %w", err)
	}
	return unlock, nil
}

// admitted lets somebody take so many bytes from the pool, unless that would touch
// the pool's reserve.
func (p *Pool) admitted(bytes int64, take func() error) error {
	unlock, err := p.lockSpace()
	if err != nil {
		return err
	}
	defer unlock()
	available, err := p.Available()
	if err != nil {
		return err
	}
	if err := Admit(bytes, available); err != nil {
		return err
	}
	return take()
}

// fits says whether an existing volume is what spec asks for.
func fits(r Record, spec Spec) error {
	switch {
	case r.Name != spec.Name:
		return fmt.Errorf("%w: the ID of %q is taken by volume %q", ErrConflict, spec.Name, r.Name)
	case r.FileSystem != spec.FileSystem:
		return fmt.Errorf("%w: volume %s is %s, %s was asked for", ErrConflict, r.ID, r.FileSystem, spec.FileSystem)
	case r.Bytes < spec.RequiredBytes || spec.LimitBytes > 0 && r.Bytes > spec.LimitBytes:
		return fmt.Errorf("%w: volume %s has %d bytes, asked for were at least %d and at most %d (0: no limit)",
			ErrConflict, r.ID, r.Bytes, spec.RequiredBytes, spec.LimitBytes)
	}
	return nil
}
