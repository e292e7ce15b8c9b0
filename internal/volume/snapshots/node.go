package snapshots

import (
	"context"
	"time"

	snapshotinformers "github.com/kubernetes-csi/external-snapshotter/client/v8/informers/externalversions"
	"github.com/kubernetes-csi/external-snapshotter/v8/pkg/group_snapshotter"
	sidecar "github.com/kubernetes-csi/external-snapshotter/v8/pkg/sidecar-controller"
	"github.com/kubernetes-csi/external-snapshotter/v8/pkg/snapshotter"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// callTimeout is how long one snapshot may take to be copied. What takes longer
// begins anew.
const callTimeout = time.Hour

// NodeConfig says whose snapshots are taken, and by whom.
type NodeConfig struct {
	// RESTConfig reaches the API server. Its user needs NodeRules.
	RESTConfig *rest.Config
	NodeName   string
	// Endpoint is the Unix socket on which the node's CSI driver serves.
	Endpoint string
}

// RunNode has the node's driver take and delete the snapshots of its volumes
// until ctx ends, once the cluster knows snapshots; those of groups, once it knows
// groups.
func RunNode(ctx context.Context, config NodeConfig) error {
	c, err := newClients(config.RESTConfig)
	if err != nil {
		return err
	}
	driver, err := grpc.NewClient("unix:"+config.Endpoint,
		grpc.WithTransportCredentials(insecure.NewCredentials()), // a socket of root's
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		return err
	}
	defer driver.Close()
	return runServed(ctx, config.NodeName, c, driver)
}

// runServed sees to the kinds that the API server serves: many clusters know
// snapshots, but no groups of them.
func runServed(ctx context.Context, nodeName string, c clients, driver *grpc.ClientConn) error {
	if err := waitForKinds(ctx, c, singleKinds); err != nil {
		return nil // it was asked to end
	}
	if !c.serve(groupKinds) {
		untilGroups, begin := context.WithCancel(ctx)
		defer begin()
		go func() { _ = waitForKinds(untilGroups, c, groupKinds); begin() }()
		if err := runNode(untilGroups, nodeName, c, driver, false); err != nil || ctx.Err() != nil {
			return err
		}
	}
	return runNode(ctx, nodeName, c, driver, true)
}

func runNode(ctx context.Context, nodeName string, c clients, driver *grpc.ClientConn, withGroups bool) error {
	classes := snapshotinformers.NewSharedInformerFactory(c.snapshots, resync)
	own := selecting(c, managedBy+"="+nodeName)
	const anyLength, plain = -1, false
	control := sidecar.NewCSISnapshotSideCarController(
		c.snapshots, c.kubernetes, volume.DriverName,
		own.Snapshot().V1().VolumeSnapshotContents(), classes.Snapshot().V1().VolumeSnapshotClasses(),
		snapshotter.NewSnapshotter(driver), group_snapshotter.NewGroupSnapshotter(driver),
		callTimeout, resync, "snapshot", anyLength, "groupsnapshot", anyLength, plain, retries(),
		withGroups, own.Groupsnapshot().V1().VolumeGroupSnapshotContents(), classes.Groupsnapshot().V1().VolumeGroupSnapshotClasses(),
		retries(),
	)
	labels, err := newLabeller(nodeName, c, driver, withGroups)
	if err != nil {
		return err
	}
	for _, factory := range []snapshotinformers.SharedInformerFactory{classes, own} {
		factory.Start(ctx.Done())
		defer factory.Shutdown()
	}
	var group errgroup.Group
	group.Go(func() error { control.Run(workers, ctx.Done(), nil); return nil })
	group.Go(func() error { labels.run(ctx); return nil })
	return group.Wait()
}

// selecting gives informers of what carries the label.
func selecting(c clients, selector string) snapshotinformers.SharedInformerFactory {
	return snapshotinformers.NewSharedInformerFactoryWithOptions(c.snapshots, resync,
		snapshotinformers.WithTweakListOptions(func(o *meta.ListOptions) { o.LabelSelector = selector }))
}
