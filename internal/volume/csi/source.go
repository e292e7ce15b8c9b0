package csi

import (
	spec "github.com/container-storage-interface/spec/lib/go/csi"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// sourceOf translates what a new volume of the pool is to begin with. The error has
// the code InvalidArgument.
func sourceOf(pool *volume.Pool, s *spec.VolumeContentSource) (volume.Source, error) {
	if s == nil {
		return volume.Source{}, nil
	}
	handle := s.GetSnapshot().GetSnapshotId() + s.GetVolume().GetVolumeId() // it is one of them
	if handle == "" {
		return volume.Source{}, invalid("the volume's source names neither a snapshot nor a volume")
	}
	in, id := volume.SplitHandle(handle)
	if in != pool.Name() {
		return volume.Source{}, invalid("the volume's source is in pool %s, and the volume is to be in pool %s: use a storage class with the parameter %s: %s",
			in, pool.Name(), volume.PoolParameter, in)
	}
	if s.GetSnapshot() != nil {
		return volume.Source{Snapshot: id}, nil
	}
	return volume.Source{Volume: id}, nil
}

// contentSource is the way back.
func contentSource(pool *volume.Pool, s volume.Source) *spec.VolumeContentSource {
	switch {
	case s.Snapshot != "":
		return &spec.VolumeContentSource{Type: &spec.VolumeContentSource_Snapshot{
			Snapshot: &spec.VolumeContentSource_SnapshotSource{SnapshotId: pool.Handle(s.Snapshot)},
		}}
	case s.Volume != "":
		return &spec.VolumeContentSource{Type: &spec.VolumeContentSource_Volume{
			Volume: &spec.VolumeContentSource_VolumeSource{VolumeId: pool.Handle(s.Volume)},
		}}
	}
	return nil
}
