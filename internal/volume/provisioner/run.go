package provisioner

import (
	"context"
	"fmt"
	"time"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/kubernetes-csi/external-snapshotter/client/v8/clientset/versioned"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/qos"
	"github.com/mainstay-io/mainstay/internal/volume/snapshots"
)

// The pauses between attempts after a failure. Failures are local and mostly
// pass at once, so the first pause is short.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 30 * time.Second
)

const (
	// workers bounds how many volumes are made or deleted at the same time.
	workers = 8
	// resync looks at every claim again, for what no event told of.
	resync = 10 * time.Minute
)

// Config says whose claims are served, and by whom.
type Config struct {
	// RESTConfig reaches the API server; its limits are used as they are.
	RESTConfig *rest.Config
	NodeName   string
	// Endpoint is the Unix socket on which the node's CSI driver serves.
	Endpoint string
	// Namespace holds the node's CSIStorageCapacity objects.
	Namespace string
	// Performance is that of the volume of a handle, nil when nobody uses it, as far
	// as that is known. It may be called at any time.
	Performance func(handle string) (of *qos.Performance, known bool)
	// Health looks at all volumes, and returns what tells what is wrong with the one
	// of a handle. It may be called at any time.
	Health func() (of func(handle string) error)
}

// Run serves claims until ctx ends. It waits for the driver to serve, and
// repeats what fails; the error is one of the configuration.
func Run(ctx context.Context, c Config) error {
	client, err := kubernetes.NewForConfig(c.RESTConfig)
	if err != nil {
		return fmt.Errorf("reach the API server for volume claims: %w", err)
	}
	connection, err := grpc.NewClient("unix:"+c.Endpoint,
		grpc.WithTransportCredentials(insecure.NewCredentials()), // a socket of root's
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		return err
	}
	defer connection.Close()
	snapshots, err := snapshots.NewClient(c.RESTConfig)
	if err != nil {
		return err
	}
	return run(ctx, c, client, snapshots, spec.NewControllerClient(connection))
}

func run(ctx context.Context, c Config, client kubernetes.Interface, snapshots versioned.Interface, driver spec.ControllerClient) error {
	factory := informers.NewSharedInformerFactory(client, resync)
	claims := factory.Core().V1().PersistentVolumeClaims()
	volumes := factory.Core().V1().PersistentVolumes()
	classes := factory.Storage().V1().StorageClasses()
	attributes := factory.Storage().V1().VolumeAttributesClasses()

	capacity := newCapacityPublisher(c, client, driver, classes.Lister(), claims.Lister())
	p := &provisioner{
		client: client, snapshots: snapshots, driver: driver, nodeName: c.NodeName,
		classes: classes.Lister(), attributes: attributes.Lister(), changed: capacity.lookAgain,
	}
	provision := controller.NewProvisionController(ctx, client, volume.DriverName, p,
		controller.LeaderElection(false),
		controller.Threadiness(workers),
		controller.RateLimiter(retries()),
		controller.CreateProvisionedPVLimiter(retries()),
		controller.FailedProvisionThreshold(0), // never give up
		controller.FailedDeleteThreshold(0),
		controller.RetryIntervalMax(lastRetry),
		controller.ClaimsInformer(claims.Informer()),
		controller.VolumesInformer(volumes.Informer()),
		controller.ClassesInformer(classes.Informer()),
		controller.AddFinalizer(true),
	)
	resizer := &resizer{client: client, driver: driver, changed: capacity.lookAgain}
	modifier := &modifier{client: client, driver: driver, classes: attributes.Lister()}
	follower, err := newFollower(c.NodeName, claims, volumes.Lister(), attributes.Informer(), resizer.resize, modifier.modify)
	if err != nil {
		return err
	}
	teller := &teller{
		client: client, nodeName: c.NodeName, claims: claims.Lister(), volumes: volumes.Lister(), performance: c.Performance, health: c.Health,
	}
	if err := capacity.watch(classes.Informer()); err != nil {
		return err
	}

	factory.Start(ctx.Done())
	defer factory.Shutdown()
	factory.WaitForCacheSync(ctx.Done())
	var group errgroup.Group
	group.Go(func() error { provision.Run(ctx); return nil })
	group.Go(func() error { follower.run(ctx); return nil })
	group.Go(func() error { capacity.run(ctx); return nil })
	group.Go(func() error { teller.run(ctx); return nil })
	return group.Wait()
}

func retries() workqueue.TypedRateLimiter[string] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[string](firstRetry, lastRetry)
}
