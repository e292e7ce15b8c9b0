package engine

import (
	"context"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/kubernetes/cmd/kube-controller-manager/app"
	"k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	"k8s.io/kubernetes/cmd/kube-controller-manager/names"
)

// runControllers runs kube-controller-manager's controllers until ctx ends: all
// but the one that internal/petset replaces and that of attachdetach.go. (Those that speak to a cloud stay
// off by themselves, since no cloud provider is named.)
func runControllers(ctx context.Context, paths Paths) error {
	if err := waitForHealthyAPI(ctx, paths); err != nil {
		return err
	}
	run, err := options.NewKubeControllerManagerOptions()
	if err != nil {
		return err
	}
	known, off, aliases := app.KnownControllers(), app.ControllersDisabledByDefault(), app.ControllerAliases()
	flags := pflag.NewFlagSet("kube-controller-manager", pflag.ContinueOnError)
	for _, set := range run.Flags(known, off, aliases).FlagSets {
		flags.AddFlagSet(set)
	}
	if err := flags.Parse(controllerFlags(paths)); err != nil {
		return err
	}
	config, err := run.Config(ctx, known, off, aliases)
	if err != nil {
		return err
	}
	return app.Run(ctx, config.Complete())
}

// waitForHealthyAPI returns when the API server is healthy and the controllers'
// account may ask it. Upstream waits for the same, but gives up after ten seconds:
// on a slow machine the first start takes longer to write all access rules.
func waitForHealthyAPI(ctx context.Context, paths Paths) error {
	client, err := clientOf(paths, "controller-manager")
	if err != nil {
		return err
	}
	return wait.PollUntilContextCancel(ctx, 20*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		return client.Discovery().RESTClient().Get().AbsPath("/healthz").Do(ctx).Error() == nil, nil
	})
}

func controllerFlags(paths Paths) []string {
	return []string{
		"--controllers=*," + names.TokenCleanerController + ",-" + names.StatefulSetController + ",-" + names.PersistentVolumeAttachDetachController,
		"--kubeconfig=" + paths.kubeconfigOf("controller-manager"),
		"--secure-port=0", // nobody outside this process asks it anything
		"--leader-elect=false",
		"--use-service-account-credentials=true",
		"--service-account-private-key-file=" + paths.pkiFile("sa.key"),
		"--root-ca-file=" + paths.pkiFile("ca.crt"),
		"--cluster-signing-cert-file=" + paths.pkiFile("ca.crt"),
		"--cluster-signing-key-file=" + paths.pkiFile("ca.key"),
		"--allocate-node-cidrs=true",
		"--cluster-cidr=" + PodCIDR,
		"--service-cluster-ip-range=" + ServiceCIDR,
		"--flex-volume-plugin-dir=" + paths.flexVolumePlugins(), // claims grow by it
		// Upstream's limit of 20 requests a second protects an API server that
		// many machines share; this one is our own.
		"--kube-api-qps=1000",
		"--kube-api-burst=2000",
		"--concurrent-endpoint-syncs=10",
		"--profiling=false",
	}
}
