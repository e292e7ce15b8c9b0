package snapshots

import (
	groupsnapshot "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumegroupsnapshot/v1"
	snapshot "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// evidence is what a node must hold for a content to be its own: a snapshot, else
// a volume. With neither the content is no node's.
type evidence struct{ snapshot, volume string }

// ofContent says what shows whose a content is. Once there is a snapshot its
// volume may be gone.
func ofContent(c *snapshot.VolumeSnapshotContent) evidence {
	switch source := c.Spec.Source; {
	case c.Spec.Driver != volume.DriverName:
		return evidence{}
	case c.Status != nil && c.Status.SnapshotHandle != nil:
		return evidence{snapshot: *c.Status.SnapshotHandle}
	case source.SnapshotHandle != nil:
		return evidence{snapshot: *source.SnapshotHandle}
	case source.VolumeHandle != nil:
		return evidence{volume: *source.VolumeHandle}
	}
	return evidence{}
}

// ofGroup says the same of the content of a group. The first volume stands for
// all: where another one is on another node, the driver refuses the group, and
// says so on it.
func ofGroup(c *groupsnapshot.VolumeGroupSnapshotContent) evidence {
	switch source := c.Spec.Source; {
	case c.Spec.Driver != volume.DriverName:
		return evidence{}
	case source.GroupSnapshotHandles != nil && len(source.GroupSnapshotHandles.VolumeSnapshotHandles) > 0:
		return evidence{snapshot: source.GroupSnapshotHandles.VolumeSnapshotHandles[0]}
	case len(source.VolumeHandles) > 0:
		return evidence{volume: source.VolumeHandles[0]}
	}
	return evidence{}
}
