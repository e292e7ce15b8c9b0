package volume

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

// Spec is what a volume is asked for with.
type Spec struct {
	// Name makes the request repeatable: one name is one volume.
	Name string
	// RequiredBytes and LimitBytes bound the size; 0 stands for "not said".
	RequiredBytes, LimitBytes int64
	FileSystem                FileSystem
	// Claim is kept in the record for people.
	Claim string
}

// Create makes the volume that spec asks for, or gives the one that an earlier
// call has made. Errors wrap ErrSize, ErrNoSpace, ErrConflict (the name is taken
// by a volume that does not fit spec) or ErrUnsupported.
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
		Bytes: size, FileSystem: spec.FileSystem, FormattedBytes: size, Source: source,
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
		return writeRecord(dir, r)
	}
	if err := format(ctx, p.exec, r.FileSystem, image); err != nil {
		return err
	}
	p.reached("formatted")
	return writeRecord(dir, r)
}

// allocateAdmitted takes growth bytes from the pool for the image, unless that
// would touch the pool's reserve.
func (p *Pool) allocateAdmitted(image string, size, growth int64) error {
	return p.admitted(growth, func() error { return allocate(image, size) })
}

// admitted lets somebody take so many bytes from the pool, unless that would touch
// the pool's reserve.
func (p *Pool) admitted(bytes int64, take func() error) error {
	p.admission.Lock()
	defer p.admission.Unlock()
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
