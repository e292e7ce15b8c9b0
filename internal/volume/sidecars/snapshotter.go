package sidecars

import (
	"context"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	snapshotinformers "github.com/kubernetes-csi/external-snapshotter/client/v8/informers/externalversions"
	"github.com/kubernetes-csi/external-snapshotter/v8/pkg/group_snapshotter"
	upstream "github.com/kubernetes-csi/external-snapshotter/v8/pkg/sidecar-controller"
	snapshotters "github.com/kubernetes-csi/external-snapshotter/v8/pkg/snapshotter"
)

// snapshotter takes and deletes the snapshots of the driver's volumes. Those of
// groups it does as well if the driver can.
func (s session) snapshotter() (func(context.Context), error) {
	factory := snapshotinformers.NewSharedInformerFactory(s.snapshots, resync)
	singles, groups := factory.Snapshot().V1(), factory.Groupsnapshot().V1()
	const anyLength, withMetadata = -1, false
	withGroups := s.group[spec.GroupControllerServiceCapability_RPC_CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT]
	control := upstream.NewCSISnapshotSideCarController(s.snapshots, s.kubernetes, s.name,
		singles.VolumeSnapshotContents(), singles.VolumeSnapshotClasses(),
		snapshotters.NewSnapshotter(s.connection), group_snapshotter.NewGroupSnapshotter(s.connection),
		callTimeout, resync, "snapshot", anyLength, "groupsnapshot", anyLength, withMetadata, retries[string](),
		withGroups, groups.VolumeGroupSnapshotContents(), groups.VolumeGroupSnapshotClasses(), retries[string]())
	return func(ctx context.Context) {
		factory.Start(ctx.Done())
		defer factory.Shutdown()
		control.Run(threads, ctx.Done(), nil)
	}, nil
}
