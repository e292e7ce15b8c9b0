package engine

import (
	"context"

	"github.com/spf13/pflag"
	"k8s.io/kubernetes/cmd/kube-scheduler/app"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"
)

// runScheduler runs kube-scheduler until ctx ends.
func runScheduler(ctx context.Context, paths Paths) error {
	run := options.NewOptions()
	flags := pflag.NewFlagSet("kube-scheduler", pflag.ContinueOnError)
	for _, set := range run.Flags.FlagSets {
		flags.AddFlagSet(set)
	}
	err := flags.Parse([]string{
		"--kubeconfig=" + paths.kubeconfigOf("scheduler"),
		"--authentication-tolerate-lookup-failure=true",
		"--secure-port=0", // nobody outside this process asks it anything
		"--leader-elect=false",
		"--kube-api-qps=1000",
		"--kube-api-burst=2000",
		"--kube-api-content-type=application/vnd.kubernetes.protobuf",
		"--profiling=false",
	})
	if err != nil {
		return err
	}
	config, scheduler, err := app.Setup(ctx, run)
	if err != nil {
		return err
	}
	return app.Run(ctx, config, scheduler)
}
