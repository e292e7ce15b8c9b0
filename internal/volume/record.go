package volume

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

// recordVersion rises when an older Mainstay would misread a newer record.
const recordVersion = 1

// FileSystem is what a volume was formatted with.
type FileSystem string

// The file systems that a volume can have, and the lack of one.
const (
	Ext4 FileSystem = "ext4"
	XFS  FileSystem = "xfs"
	// RawBlock volumes are handed out as a device and never formatted.
	RawBlock FileSystem = "block"
	// Directory volumes are directories of the pool's own file system, each limited
	// by a project quota.
	Directory FileSystem = "directory"
)

// Record is what the pool knows of a volume. It is written before the volume
// exists and again only to enlarge it, or to change its quality of service.
type Record struct {
	Version int `json:"version"`
	// ID names the volume's directory.
	ID string `json:"id"`
	// Name is what the volume was asked for under; ID is derived from it.
	Name string `json:"name"`
	// Bytes is the promised size, a multiple of Granule.
	Bytes int64 `json:"bytes"`
	// FileSystem is ext4, xfs, block, or directory.
	FileSystem FileSystem `json:"fileSystem"`
	// FormattedBytes is how far the file system reaches. It is less than Bytes
	// from Expand until Grow, or the next Stage, has enlarged it.
	FormattedBytes int64 `json:"formattedBytes"`
	// Quality is what the volume is promised, and held to.
	Quality qos.Parameters `json:"quality,omitzero"`
	// Claim is namespace/name of the claim that the volume was made for, for
	// people who look at the pool without a cluster. May be empty.
	Claim string `json:"claim,omitempty"`
	// Source is what the volume began with.
	Source Source `json:"source,omitzero"`
	// Project is the number by which the file system limits a directory volume.
	Project uint32 `json:"project,omitempty"`
}

func (r Record) version() int { return r.Version }

func readRecord(dir string) (Record, error) {
	var r Record
	if err := readVersioned(filepath.Join(dir, recordFile), "volume", recordVersion, &r); err != nil {
		return Record{}, err
	}
	return r, nil
}

// readVersioned reads the record of something whose data lies beside it. One of a
// version later than known is refused.
func readVersioned(path, of string, known int, into interface{ version() int }) error { //nolint:unparam // each kind has a version of its own, and all are still at their first
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: there is no %s", ErrNotFound, path)
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s record %s is damaged (%w); its data in %s is untouched", of, path, err, imageFile)
	}
	if into.version() > known {
		return fmt.Errorf("%s record %s has version %d, this Mainstay knows up to %d: run a newer one", of, path, into.version(), known)
	}
	return nil
}

// writeRecord replaces the record in dir so that a reader, or a crash, sees
// either the old one or the new one whole.
func writeRecord(dir string, r Record) error {
	r.Version = recordVersion
	return writeJSON(filepath.Join(dir, recordFile), r)
}

// writeJSON replaces the file at path by one that people can read, too.
func writeJSON(path string, value any) error {
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(path, append(data, '\n'))
}

// replaceFile gives the file at path another content, all at once.
func replaceFile(path string, data []byte) error {
	temporary := path + ".tmp"
	if err := writeFileSynced(temporary, data); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func writeFileSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}

// syncDir makes the names in dir survive a power failure.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
