package sidecars

import (
	"context"
	"sync"
	"time"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/kubernetes-csi/external-provisioner/v6/pkg/capacity"
	"github.com/kubernetes-csi/external-provisioner/v6/pkg/capacity/topology"
	storage "k8s.io/api/storage/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

const (
	// capacityPeriod is how often a driver is asked how much space is left.
	capacityPeriod = time.Minute
	// managedBy is the value of upstream's label by which one provisioner knows its
	// CSIStorageCapacity objects.
	managedBy = "mainstay-sidecars"
)

// capacityPublisher tells the scheduler how much space is left, and wraps the
// provisioner so that it is told at once what a volume took. What was told goes
// with the driver's CSIDriver.
func (s session) capacityPublisher(provision controller.Provisioner) (func(context.Context), controller.Provisioner) {
	told := informers.NewSharedInformerFactoryWithOptions(s.kubernetes, resync, informers.WithNamespace(s.Namespace),
		informers.WithTweakListOptions(func(o *meta.ListOptions) {
			o.LabelSelector = labels.Set{capacity.DriverNameLabel: s.name, capacity.ManagedByLabel: managedBy}.String()
		}))
	segments := topology.NewNodeTopology(s.name, s.kubernetes, s.shared.Core().V1().Nodes(), s.shared.Storage().V1().CSINodes(), queue[string]("csitopology"))
	owner := meta.OwnerReference{APIVersion: storage.SchemeGroupVersion.String(), Kind: "CSIDriver", Name: s.name, UID: s.object, Controller: ptr.To(true)}
	const immediateBinding = false // the scheduler asks about the others only
	control := capacity.NewCentralCapacityController(spec.NewControllerClient(s.connection), s.name,
		capacity.NewV1ClientFactory(s.kubernetes), queue[capacity.QueueKey]("csistoragecapacity"), &owner, managedBy, s.Namespace,
		segments, s.shared.Storage().V1().StorageClasses(), told.Storage().V1().CSIStorageCapacities(),
		capacityPeriod, immediateBinding, callTimeout)
	return func(ctx context.Context) {
		told.Start(ctx.Done())
		defer told.Shutdown()
		var looking sync.WaitGroup
		defer looking.Wait()
		looking.Go(func() { segments.RunWorker(ctx) })
		control.Run(ctx, 1, nil)
	}, capacity.NewProvisionWrapper(provision, control)
}
