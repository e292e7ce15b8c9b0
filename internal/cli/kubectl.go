package cli

import (
	"os"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	componentcli "k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
)

func newKubectl(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "kubectl …",
		Short: "The real kubectl, with Mainstay's kubeconfig",
		Long: `The real kubectl, built in. All that follows is kubectl's own; its KUBECONFIG is
Mainstay's unless you set that variable yourself, or say --kubeconfig.`,
		Example: `  mainstay kubectl get pods -A
  mainstay kubectl exec -it postgres-0 -- psql`,
		DisableFlagParsing: true,
		ValidArgsFunction: func(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(_ *cobra.Command, arguments []string) error {
			if os.Getenv("KUBECONFIG") == "" && !namesCluster(arguments) {
				if err := o.useOwnCluster(); err != nil {
					return err
				}
			}
			os.Exit(runKubectl(arguments))
			return nil
		},
	}
}

// namesCluster: kubectl is told which kubeconfig to use. What follows -- is
// another program's.
func namesCluster(arguments []string) bool {
	for _, argument := range arguments {
		switch {
		case argument == "--":
			return false
		case argument == "--kubeconfig", strings.HasPrefix(argument, "--kubeconfig="):
			return true
		}
	}
	return false
}

// useOwnCluster has kubectl's code speak to the engine's cluster, and remember
// what its API knows in the data directory. By itself it would do so under the
// API's address, in the home directory: the next cluster on this machine has the
// same one.
func (o *options) useOwnCluster() error {
	file, err := o.kubeconfig()
	if err != nil {
		return err
	}
	if err := os.Setenv("KUBECONFIG", file); err != nil {
		return err
	}
	const cache = "KUBECACHEDIR"
	if os.Getenv(cache) != "" {
		return nil
	}
	return os.Setenv(cache, o.paths().KubectlCache())
}

func runKubectl(arguments []string) int {
	command := kubectl.NewDefaultKubectlCommandWithArgs(kubectl.KubectlOptions{
		PluginHandler: kubectl.NewDefaultPluginHandler([]string{"kubectl"}),
		Arguments:     append([]string{"kubectl"}, arguments...),
		ConfigFlags:   genericclioptions.NewConfigFlags(true).WithDeprecatedPasswordFlag().WithDiscoveryBurst(300).WithDiscoveryQPS(50),
		IOStreams:     genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
	})
	command.SetArgs(arguments)
	return componentcli.Run(command)
}
