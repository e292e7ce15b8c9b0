package volume

import (
	"path/filepath"
	"time"
)

const (
	snapshotRecordFile = "snapshot.json"
	// snapshotRecordVersion rises when an older Mainstay would misread a newer
	// record.
	snapshotRecordVersion = 1
)

// Snapshot is what the pool knows of a snapshot. It is written once.
type Snapshot struct {
	Version int `json:"version"`
	// ID names the snapshot's directory.
	ID string `json:"id"`
	// Name is what the snapshot was asked for under; ID is derived from it. Empty
	// in a group.
	Name string `json:"name,omitempty"`
	// Group is the ID of the group that the snapshot was taken with. Empty: none.
	Group string `json:"group,omitempty"`
	// Volume is the ID of the volume that the snapshot is of. That may be gone.
	Volume string `json:"volume"`
	// Bytes, FileSystem, FormattedBytes and Claim are the volume's of that moment;
	// a volume made of the snapshot has at least Bytes.
	Bytes          int64      `json:"bytes"`
	FileSystem     FileSystem `json:"fileSystem"`
	FormattedBytes int64      `json:"formattedBytes"`
	Claim          string     `json:"claim,omitempty"`
	// Taken is the moment whose state the snapshot shows.
	Taken time.Time `json:"taken"`
	// FrozenMilliseconds is for how long the volume's pod could not write because
	// of the snapshot.
	FrozenMilliseconds int64 `json:"frozenMilliseconds"`
}

// snapshotOf gives the record of a snapshot of a volume, taken at a moment.
func snapshotOf(r Record, id string, taken time.Time, frozen time.Duration) Snapshot {
	return Snapshot{
		Version: snapshotRecordVersion, ID: id, Volume: r.ID,
		Bytes: r.Bytes, FileSystem: r.FileSystem, FormattedBytes: r.FormattedBytes, Claim: r.Claim,
		Taken: taken, FrozenMilliseconds: frozen.Milliseconds(),
	}
}

func (s Snapshot) version() int { return s.Version }

func readSnapshot(dir string) (Snapshot, error) {
	var s Snapshot
	if err := readVersioned(filepath.Join(dir, snapshotRecordFile), "snapshot", snapshotRecordVersion, &s); err != nil {
		return Snapshot{}, err
	}
	return s, nil
}

// writeSnapshot completes a snapshot's directory, which has no name yet.
func writeSnapshot(dir string, s Snapshot) error {
	return writeJSON(filepath.Join(dir, snapshotRecordFile), s)
}
