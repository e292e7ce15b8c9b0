package engine

import (
	"bytes"
	"context"
	_ "embed"
	"text/template"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/kubernetes/cmd/kube-scheduler/app"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"

	"github.com/mainstay-io/mainstay/internal/volume/scheduling"
)

//go:embed scheduler.yaml
var schedulerTemplate string

// runScheduler runs kube-scheduler until ctx ends, with the plugin that places
// pods by the performance of their volumes.
func runScheduler(ctx context.Context, paths Paths) error {
	file, err := writeSchedulerConfig(paths)
	if err != nil {
		return err
	}
	run := options.NewOptions()
	flags := pflag.NewFlagSet("kube-scheduler", pflag.ContinueOnError)
	for _, set := range run.Flags.FlagSets {
		flags.AddFlagSet(set)
	}
	err = flags.Parse([]string{
		"--config=" + file,
		"--authentication-tolerate-lookup-failure=true",
		"--secure-port=0", // nobody outside this process asks it anything
	})
	if err != nil {
		return err
	}
	config, scheduler, err := app.Setup(ctx, run, app.WithPlugin(scheduling.Name, scheduling.New))
	if err != nil {
		return err
	}
	return app.Run(ctx, config, scheduler)
}

func writeSchedulerConfig(paths Paths) (file string, err error) {
	var out bytes.Buffer
	err = template.Must(template.New("scheduler").Parse(schedulerTemplate)).Execute(&out, map[string]any{
		"Kubeconfig": paths.kubeconfigOf("scheduler"), "Plugin": scheduling.Name,
	})
	if err != nil {
		return "", err
	}
	file = paths.configFile("scheduler.yaml")
	return file, writeFile(file, out.Bytes())
}

// schedulerObjects are the rights that the plugin needs besides the scheduler's own.
func schedulerObjects() []runtime.Object {
	return roleFor("system:kube-scheduler", "mainstay:scheduler", scheduling.Rules())
}
