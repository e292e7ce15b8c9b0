package sidecars

import (
	"context"
	"sync"
	"time"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	upstream "github.com/kubernetes-csi/external-provisioner/v6/pkg/controller"
	corelisters "k8s.io/client-go/listers/core/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
	"k8s.io/client-go/util/workqueue"
	translation "k8s.io/csi-translation-lib"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// orphanSweep is how often snapshots are looked for whose protection a killed
// provisioner has left behind.
const orphanSweep = 5 * time.Minute

// provisioner makes a volume for each claim of the driver's classes, and deletes
// it when its claim is gone.
func (s session) provisioner() (func(context.Context), error) {
	provision := s.newProvisioner()
	run := []func(context.Context){}
	if s.publishesCapacity() {
		publish, wrapped := s.capacityPublisher(provision)
		provision, run = wrapped, append(run, publish)
	}
	claims := s.shared.Core().V1().PersistentVolumeClaims()
	// This context is for events, which may be told after the last work.
	control := controller.NewProvisionController(context.Background(), s.kubernetes, s.name, provision,
		controller.LeaderElection(false), // see lead
		controller.Threadiness(threads),
		controller.RateLimiter(retries[string]()),
		controller.CreateProvisionedPVLimiter(workqueue.DefaultTypedControllerRateLimiter[string]()),
		controller.FailedProvisionThreshold(0), // never give up
		controller.FailedDeleteThreshold(0),
		controller.RetryIntervalMax(lastRetry),
		controller.ClaimsInformer(claims.Informer()),
		controller.VolumesInformer(s.shared.Core().V1().PersistentVolumes().Informer()),
		controller.ClassesInformer(s.shared.Storage().V1().StorageClasses().Informer()),
		controller.AddFinalizer(true),
	)
	run = append(run, control.Run)
	if clones := upstream.NewCloningProtectionController(s.kubernetes, claims.Lister(), claims.Informer(), queue[string]("claims"), s.controller); clones != nil {
		run = append(run, func(ctx context.Context) { clones.Run(ctx, 1, nil) })
	}
	if orphans := upstream.NewSnapshotFinalizerController(s.snapshots, claims.Lister(), s.controller, orphanSweep); orphans != nil {
		run = append(run, func(ctx context.Context) { orphans.Run(ctx, nil) })
	}
	return func(ctx context.Context) {
		var workers, parts sync.WaitGroup
		control.ControllerWaitGroup(&workers)
		s.shared.WaitForCacheSync(ctx.Done())
		for _, part := range run {
			parts.Go(func() { part(ctx) })
		}
		parts.Wait()
		workers.Wait()
	}, nil
}

// newProvisioner is upstream's, with the defaults of its flags.
func (s session) newProvisioner() controller.Provisioner {
	var nodes corelisters.NodeLister
	var csiNodes storagelisters.CSINodeLister
	var chosen *upstream.InMemoryStore
	if s.hasTopology() {
		nodes, csiNodes = s.shared.Core().V1().Nodes().Lister(), s.shared.Storage().V1().CSINodes().Lister()
		chosen = upstream.NewInMemoryStore()
	}
	var attachments storagelisters.VolumeAttachmentLister // a volume is deleted when it is attached nowhere
	if s.controller[spec.ControllerServiceCapability_RPC_PUBLISH_UNPUBLISH_VOLUME] {
		attachments = s.shared.Storage().V1().VolumeAttachments().Lister()
	}
	const (
		prefix, wholeUUID                   = "pvc", -1
		noMigration, noDefaultFileSystem    = "", ""
		strictTopology, immediateTopology   = false, true
		withMetadata, readOnlyWhenPublished = false, false
		noUnauthorizedConversionOfTheVolume = true
	)
	return upstream.NewCSIProvisioner(s.kubernetes, callTimeout, s.NodeName+"-"+s.name, prefix, wholeUUID,
		s.connection, s.snapshots, s.name, s.plugin, s.controller, noMigration, strictTopology, immediateTopology,
		translation.New(), s.shared.Storage().V1().StorageClasses().Lister(), csiNodes, nodes,
		s.shared.Core().V1().PersistentVolumeClaims().Lister(), attachments, nil,
		withMetadata, noDefaultFileSystem, nil, readOnlyWhenPublished, noUnauthorizedConversionOfTheVolume, chosen)
}
