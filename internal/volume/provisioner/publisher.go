package provisioner

import (
	"context"
	"errors"
	"time"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	storage "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/mainstay-io/mainstay/internal/volume"
)

const (
	// capacityPeriod bounds how long the scheduler believes in space that
	// somebody else has taken.
	capacityPeriod = 30 * time.Second
	// capacityRetry is the pause after a failure; at a first start the node's
	// own object is missing for a moment.
	capacityRetry = time.Second
)

// capacityPublisher tells the scheduler how much this node has left.
type capacityPublisher struct {
	config  Config
	client  kubernetes.Interface
	driver  spec.ControllerClient
	classes storagelisters.StorageClassLister
	claims  corelisters.PersistentVolumeClaimLister
	changed chan struct{} // holds at most one request to look again
}

func newCapacityPublisher(c Config, client kubernetes.Interface, driver spec.ControllerClient, classes storagelisters.StorageClassLister,
	claims corelisters.PersistentVolumeClaimLister,
) *capacityPublisher {
	return &capacityPublisher{config: c, client: client, driver: driver, classes: classes, claims: claims, changed: make(chan struct{}, 1)}
}

// lookAgain asks for a comparison soon. It does not wait.
func (p *capacityPublisher) lookAgain() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// watch looks again whenever a class comes or goes.
func (p *capacityPublisher) watch(classes cache.SharedIndexInformer) error {
	_, err := classes.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) {
			p.lookAgain()
			time.AfterFunc(classSettles, p.lookAgain) // when all nodes have done so
		},
		DeleteFunc: func(any) { p.lookAgain() },
	})
	return err
}

func (p *capacityPublisher) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.changed:
		case <-timer.C:
		}
		pause := capacityPeriod
		if err := p.publish(ctx); err != nil && ctx.Err() == nil {
			pause = capacityRetry
			klog.FromContext(ctx).V(2).Info("Cannot publish the volume capacity of this node yet", "err", err)
		}
		timer.Reset(pause)
	}
}

func (p *capacityPublisher) publish(ctx context.Context) error {
	node, err := p.client.CoreV1().Nodes().Get(ctx, p.config.NodeName, meta.GetOptions{})
	if err != nil {
		return err
	}
	classes, err := p.classes.List(labels.Everything())
	if err != nil {
		return err
	}
	left, err := leftFor(ctx, p.driver, classes)
	if err != nil {
		return err
	}
	client := p.client.StorageV1().CSIStorageCapacities(p.config.Namespace)
	ours := labels.Set{driverLabel: volume.DriverName, nodeLabel: p.config.NodeName}
	published, err := client.List(ctx, meta.ListOptions{LabelSelector: ours.String()})
	if err != nil {
		return err
	}
	return errors.Join(p.apply(ctx, planCapacity(published.Items, classes, left, node)), p.tellOfMissingPools(ctx, classes, time.Now()))
}

// leftFor asks what the pools of our classes have left on this node, as far as it
// has them.
func leftFor(ctx context.Context, driver spec.ControllerClient, classes []*storage.StorageClass) (map[string]int64, error) {
	left := map[string]int64{}
	for _, class := range classes {
		pool := volume.PoolOf(class.Parameters)
		if _, asked := left[pool]; asked || class.Provisioner != volume.DriverName {
			continue
		}
		capacity, err := driver.GetCapacity(ctx, &spec.GetCapacityRequest{Parameters: map[string]string{volume.PoolParameter: pool}})
		if status.Code(err) == codes.NotFound {
			continue // this node has no such pool
		}
		if err != nil {
			return nil, err
		}
		left[pool] = capacity.GetAvailableCapacity()
	}
	return left, nil
}

func (p *capacityPublisher) apply(ctx context.Context, plan capacityChanges) error {
	client := p.client.StorageV1().CSIStorageCapacities(p.config.Namespace)
	var failed []error
	for _, c := range plan.create {
		_, err := client.Create(ctx, c, meta.CreateOptions{})
		failed = append(failed, err)
	}
	for _, c := range plan.update {
		_, err := client.Update(ctx, c, meta.UpdateOptions{})
		failed = append(failed, err)
	}
	for _, name := range plan.remove {
		if err := client.Delete(ctx, name, meta.DeleteOptions{}); !apierrors.IsNotFound(err) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}
