package snapshots

import (
	"context"
	"fmt"
	"slices"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	groupsnapshot "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumegroupsnapshot/v1"
	snapshot "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	snapshotinformers "github.com/kubernetes-csi/external-snapshotter/client/v8/informers/externalversions"
	"github.com/kubernetes-csi/external-snapshotter/v8/pkg/utils"
	"google.golang.org/grpc"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

// managedBy is upstream's label of the contents that are a node's.
const managedBy = utils.VolumeSnapshotContentManagedByLabel

// labeller makes contents this node's that are nobody's, if the node holds their
// volume or snapshot.
type labeller struct {
	nodeName string
	clients  clients
	driver   spec.ControllerClient
	factory  snapshotinformers.SharedInformerFactory
	queue    workqueue.TypedRateLimitingInterface[unlabelled]
}

// unlabelled is a content without a node.
type unlabelled struct {
	name     string
	group    bool
	evidence evidence
}

func newLabeller(nodeName string, c clients, driver *grpc.ClientConn, withGroups bool) (*labeller, error) {
	l := &labeller{
		nodeName: nodeName, clients: c, driver: spec.NewControllerClient(driver),
		factory: selecting(c, "!"+managedBy),
		queue: workqueue.NewTypedRateLimitingQueue(
			workqueue.NewTypedItemExponentialFailureRateLimiter[unlabelled](firstRetry, lastRetry)),
	}
	handler := cache.ResourceEventHandlerFuncs{AddFunc: l.enqueue, UpdateFunc: func(_, content any) { l.enqueue(content) }}
	informers := []cache.SharedIndexInformer{l.factory.Snapshot().V1().VolumeSnapshotContents().Informer()}
	if withGroups {
		informers = append(informers, l.factory.Groupsnapshot().V1().VolumeGroupSnapshotContents().Informer())
	}
	for _, informer := range informers {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *labeller) enqueue(object any) {
	var found unlabelled
	switch c := object.(type) {
	case *snapshot.VolumeSnapshotContent:
		found = unlabelled{name: c.Name, evidence: ofContent(c)}
	case *groupsnapshot.VolumeGroupSnapshotContent:
		found = unlabelled{name: c.Name, group: true, evidence: ofGroup(c)}
	}
	if found.evidence != (evidence{}) {
		l.queue.Add(found)
	}
}

// run works until ctx ends.
func (l *labeller) run(ctx context.Context) {
	l.factory.Start(ctx.Done())
	defer l.factory.Shutdown()
	defer context.AfterFunc(ctx, l.queue.ShutDown)()
	for {
		content, shutdown := l.queue.Get()
		if shutdown {
			return
		}
		if err := l.label(ctx, content); err != nil && ctx.Err() == nil {
			klog.FromContext(ctx).Error(err, "Cannot find out whose a snapshot is", "content", content.name)
			l.queue.AddRateLimited(content)
		} else {
			l.queue.Forget(content)
		}
		l.queue.Done(content)
	}
}

func (l *labeller) label(ctx context.Context, content unlabelled) error {
	held, err := l.holds(ctx, content.evidence)
	if err != nil || !held {
		return err
	}
	patch := fmt.Appendf(nil, `{"metadata":{"labels":{%q:%q}}}`, managedBy, l.nodeName)
	if content.group {
		_, err = l.clients.snapshots.GroupsnapshotV1().VolumeGroupSnapshotContents().Patch(ctx, content.name, types.MergePatchType, patch, meta.PatchOptions{})
	} else {
		_, err = l.clients.snapshots.SnapshotV1().VolumeSnapshotContents().Patch(ctx, content.name, types.MergePatchType, patch, meta.PatchOptions{})
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// holds asks the node's driver.
func (l *labeller) holds(ctx context.Context, e evidence) (bool, error) {
	if e.snapshot != "" {
		found, err := l.driver.ListSnapshots(ctx, &spec.ListSnapshotsRequest{SnapshotId: e.snapshot})
		return len(found.GetEntries()) > 0, err
	}
	all, err := l.driver.ListVolumes(ctx, &spec.ListVolumesRequest{})
	return slices.ContainsFunc(all.GetEntries(), func(v *spec.ListVolumesResponse_Entry) bool {
		return v.GetVolume().GetVolumeId() == e.volume
	}), err
}
