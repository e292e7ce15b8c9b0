package csi

import (
	spec "github.com/container-storage-interface/spec/lib/go/csi"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// sourceOf translates what a new volume is to begin with. The error has the code
// InvalidArgument.
func sourceOf(s *spec.VolumeContentSource) (volume.Source, error) {
	source := volume.Source{Snapshot: s.GetSnapshot().GetSnapshotId(), Volume: s.GetVolume().GetVolumeId()}
	if s != nil && source == (volume.Source{}) {
		return source, invalid("the volume's source names neither a snapshot nor a volume")
	}
	return source, nil
}

// contentSource is the way back.
func contentSource(s volume.Source) *spec.VolumeContentSource {
	switch {
	case s.Snapshot != "":
		return &spec.VolumeContentSource{Type: &spec.VolumeContentSource_Snapshot{
			Snapshot: &spec.VolumeContentSource_SnapshotSource{SnapshotId: s.Snapshot},
		}}
	case s.Volume != "":
		return &spec.VolumeContentSource{Type: &spec.VolumeContentSource_Volume{
			Volume: &spec.VolumeContentSource_VolumeSource{VolumeId: s.Volume},
		}}
	}
	return nil
}
