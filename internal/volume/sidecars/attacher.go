package sidecars

import (
	"context"
	"time"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/kubernetes-csi/external-attacher/v4/pkg/attacher"
	upstream "github.com/kubernetes-csi/external-attacher/v4/pkg/controller"
	translation "k8s.io/csi-translation-lib"
	"k8s.io/klog/v2"
)

// reconcilePeriod is how often a driver that can tell is asked where its volumes
// are attached.
const reconcilePeriod = time.Minute

// attacher attaches volumes to the nodes of their pods. Where the driver has
// nothing to attach it only says that it is done.
func (s session) attacher() (func(context.Context), error) {
	volumes, attachments := s.shared.Core().V1().PersistentVolumes(), s.shared.Storage().V1().VolumeAttachments()
	handler := upstream.NewTrivialHandler(s.kubernetes)
	attaches := s.controller[spec.ControllerServiceCapability_RPC_PUBLISH_UNPUBLISH_VOLUME]
	if attaches {
		timeout := callTimeout
		const anyNumber, noDefaultFileSystem = 0, ""
		handler = upstream.NewCSIHandler(s.kubernetes, s.name, attacher.NewAttacher(s.connection), attacher.NewVolumeLister(s.connection, anyNumber),
			volumes.Lister(), s.shared.Storage().V1().CSINodes().Lister(), attachments.Lister(), &timeout,
			s.controller[spec.ControllerServiceCapability_RPC_PUBLISH_READONLY],
			s.controller[spec.ControllerServiceCapability_RPC_SINGLE_NODE_MULTI_WRITER],
			translation.New(), noDefaultFileSystem)
	}
	canTell := attaches && s.controller[spec.ControllerServiceCapability_RPC_LIST_VOLUMES] &&
		s.controller[spec.ControllerServiceCapability_RPC_LIST_VOLUMES_PUBLISHED_NODES]
	control := upstream.NewCSIAttachController(klog.Background(), s.kubernetes, s.name, handler,
		attachments, volumes, retries[string](), retries[string](), canTell, reconcilePeriod)
	return func(ctx context.Context) {
		s.shared.WaitForCacheSync(ctx.Done()) // the handler looks at what the controller does not wait for
		control.Run(ctx, threads, nil)
	}, nil
}
