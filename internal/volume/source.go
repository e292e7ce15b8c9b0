package volume

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// Source is what a volume begins with: what a snapshot holds, or what another
// volume holds at the moment. At most one is set; with neither the volume is new.
type Source struct {
	Snapshot string `json:"snapshot,omitempty"` // its ID
	Volume   string `json:"volume,omitempty"`   // its ID
}

func (s Source) String() string {
	switch {
	case s.Snapshot != "":
		return "snapshot " + s.Snapshot
	case s.Volume != "":
		return "volume " + s.Volume
	}
	return "nothing"
}

// sourceShape is what a source asks of the volume that is made of it.
type sourceShape struct {
	bytes, formattedBytes int64
	fileSystem            FileSystem
}

// shape fits the record of a volume that is to be made to its source.
func (p *Pool) shape(r Record, spec Spec) (Record, error) {
	if r.Source.Snapshot != "" {
		s, err := p.GetSnapshot(r.Source.Snapshot)
		if err != nil {
			return Record{}, err
		}
		return shaped(r, spec, sourceShape{s.Bytes, s.FormattedBytes, s.FileSystem})
	}
	v, err := p.Get(r.Source.Volume)
	if err == nil {
		err = refuseCopy(v)
	}
	if err != nil {
		return Record{}, err
	}
	return shaped(r, spec, sourceShape{v.Bytes, v.FormattedBytes, v.FileSystem})
}

// shaped is the decision: as large as the source at least, and of its file
// system. The error wraps ErrSource or ErrSize.
func shaped(r Record, spec Spec, source sourceShape) (Record, error) {
	if spec.FileSystem != source.fileSystem {
		return Record{}, fmt.Errorf("%w: %s is %s, and the volume is to be %s; use a storage class with the parameter csi.storage.k8s.io/fstype: %s",
			ErrSource, r.Source, source.fileSystem, spec.FileSystem, source.fileSystem)
	}
	if spec.LimitBytes > 0 && spec.LimitBytes < source.bytes {
		return Record{}, fmt.Errorf("%w: %s has %d bytes, and the volume may have at most %d", ErrSize, r.Source, source.bytes, spec.LimitBytes)
	}
	// With no size asked for, the source's own is meant.
	size, err := ChooseSize(max(spec.RequiredBytes, source.bytes), spec.LimitBytes, spec.FileSystem)
	r.Bytes, r.FormattedBytes = size, source.formattedBytes
	return r, err
}

// pour fills the image of a new volume, which reads as zeros, from its source.
func (p *Pool) pour(ctx context.Context, r Record, image string, exclusive Exclusive) error {
	var err error
	if r.Source.Snapshot != "" {
		err = p.pourSnapshot(ctx, r.Source.Snapshot, image)
	} else {
		err = p.pourVolume(ctx, r, image, exclusive)
	}
	if err != nil {
		return err
	}
	// An enlargement that was killed has a longer image than its record says.
	if err := os.Truncate(image, r.Bytes); err != nil {
		return err
	}
	return syncFile(image)
}

func (p *Pool) pourSnapshot(ctx context.Context, id, image string) error {
	dir, err := p.snapshotDir(id)
	if err != nil {
		return err
	}
	s, err := readSnapshot(dir)
	if err != nil {
		return err
	}
	from := filepath.Join(dir, imageFile)
	if err := whole(from, s.Bytes, "snapshot "+id); err != nil {
		return err
	}
	return copyImage(ctx, from, image)
}

func (p *Pool) pourVolume(ctx context.Context, r Record, image string, exclusive Exclusive) error {
	from, err := p.Get(r.Source.Volume)
	if err != nil {
		return err
	}
	if err := p.wholeVolume(from); err != nil {
		return err
	}
	made, err := p.copyAtOnce(ctx, []imageCopy{{volume: r.Source.Volume, to: image}}, exclusive)
	if err != nil {
		return err
	}
	if now := made.records[0]; now.Bytes > r.Bytes || now.FormattedBytes != r.FormattedBytes {
		return fmt.Errorf("%w: %s grew while it was copied; try again", ErrInUse, r.Source)
	}
	return nil
}
