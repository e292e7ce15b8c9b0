package snapshots

import (
	"context"

	snapshotinformers "github.com/kubernetes-csi/external-snapshotter/client/v8/informers/externalversions"
	controller "github.com/kubernetes-csi/external-snapshotter/v8/pkg/common-controller"
	"github.com/kubernetes-csi/external-snapshotter/v8/pkg/metrics"
	rbac "k8s.io/api/rbac/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/rest"
)

// RunController binds VolumeSnapshots, and groups of them, to their contents
// until ctx ends, once their definitions are there. One runs in a cluster; its
// user needs ControllerRules.
func RunController(ctx context.Context, access *rest.Config) error {
	c, err := newClients(access)
	if err != nil {
		return err
	}
	if err := waitForDefinitions(ctx, c); err != nil {
		return err
	}
	core := informers.NewSharedInformerFactory(c.kubernetes, resync)
	factory := snapshotinformers.NewSharedInformerFactory(c.snapshots, resync)
	singles, groups := factory.Snapshot().V1(), factory.Groupsnapshot().V1()
	const eachNodeItsOwn, keepVolumeMode, withGroups = true, true, true
	control := controller.NewCSISnapshotCommonController(
		c.snapshots, c.kubernetes,
		singles.VolumeSnapshots(), singles.VolumeSnapshotContents(), singles.VolumeSnapshotClasses(),
		groups.VolumeGroupSnapshots(), groups.VolumeGroupSnapshotContents(), groups.VolumeGroupSnapshotClasses(),
		core.Core().V1().PersistentVolumeClaims(), core.Core().V1().PersistentVolumes(), core.Core().V1().Nodes(),
		metrics.NewMetricsManager(), resync, retries(), retries(), retries(), retries(),
		eachNodeItsOwn, keepVolumeMode, withGroups,
	)
	factory.Start(ctx.Done())
	core.Start(ctx.Done())
	defer factory.Shutdown()
	defer core.Shutdown()
	control.Run(workers, ctx.Done(), nil)
	return ctx.Err()
}

// ControllerRules is what RunController's user may do in the cluster.
func ControllerRules() []rbac.PolicyRule {
	return []rbac.PolicyRule{
		rule("", []string{"persistentvolumes"}, "get", "list", "watch"),
		rule("", []string{"persistentvolumeclaims"}, "get", "list", "watch", "update"),
		rule("", []string{"nodes"}, "list", "watch"),
		rule("", []string{"events"}, "create", "patch"),
		rule(snapshotGroup, []string{"volumesnapshotclasses"}, "list", "watch"),
		rule(snapshotGroup, []string{"volumesnapshots"}, "create", "get", "list", "watch", "update", "patch", "delete"),
		rule(snapshotGroup, []string{"volumesnapshots/status"}, "update", "patch"),
		rule(snapshotGroup, []string{"volumesnapshotcontents"}, "create", "list", "watch", "patch", "delete"),
		rule(snapshotGroup, []string{"volumesnapshotcontents/status"}, "patch"),
		rule(groupSnapshotGroup, []string{"volumegroupsnapshotclasses"}, "list", "watch"),
		rule(groupSnapshotGroup, []string{"volumegroupsnapshots"}, "get", "list", "watch", "update", "patch"),
		rule(groupSnapshotGroup, []string{"volumegroupsnapshots/status"}, "update"),
		rule(groupSnapshotGroup, []string{"volumegroupsnapshotcontents"}, "create", "list", "watch", "patch", "delete"),
	}
}
