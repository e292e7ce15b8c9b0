package engine

import (
	"context"
	"time"

	"k8s.io/client-go/informers"
	"k8s.io/klog/v2"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	"k8s.io/kubernetes/pkg/controller/volume/attachdetach"
	volumeconfig "k8s.io/kubernetes/pkg/controller/volume/persistentvolume/config"
)

// attachDetachUser is the service account whose rights upstream has already
// fitted to this controller; its certificate bears the account's name.
const attachDetachUser = "system:serviceaccount:kube-system:attachdetach-controller"

// prepareAttachDetach returns the controller that attaches network disks, ready
// to run. It is upstream's, but it is made here and not with the other
// controllers, because its CSI plugin and kubelet's share variables of their
// package, and whoever comes last owns them: that must be kubelet. So call this
// before kubelet starts.
func prepareAttachDetach(ctx context.Context, paths Paths) (func(context.Context) error, error) {
	client, err := clientOf(paths, "attachdetach")
	if err != nil {
		return nil, err
	}
	volumes := volumeconfig.VolumeConfiguration{FlexVolumePluginDir: paths.flexVolumePlugins()}
	plugins, err := controllermanager.ProbeAttachableVolumePlugins(klog.FromContext(ctx), volumes)
	if err != nil {
		return nil, err
	}
	watched := informers.NewSharedInformerFactory(client, 0)
	core, storage := watched.Core().V1(), watched.Storage().V1()
	controller, err := attachdetach.NewAttachDetachController(ctx, client,
		core.Pods(), core.Nodes(), core.PersistentVolumeClaims(), core.PersistentVolumes(),
		storage.CSINodes(), storage.CSIDrivers(), storage.VolumeAttachments(),
		plugins, controllermanager.GetDynamicPluginProber(ctx, volumes),
		false, time.Minute, false, attachdetach.DefaultTimerConfig)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		watched.Start(ctx.Done())
		controller.Run(ctx)
		return nil
	}, nil
}
