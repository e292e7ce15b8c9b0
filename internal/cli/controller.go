package cli

import (
	"github.com/spf13/cobra"

	"github.com/mainstay-io/mainstay/internal/engine"
)

func newController(o *options) *cobra.Command {
	var standalone engine.Standalone
	command := &cobra.Command{
		Use:   "controller",
		Short: "Run PetSets on a Kubernetes that is not Mainstay's own",
		Long: `Run the controller of PetSets by itself, on any Kubernetes. StatefulSets there stay
with that Kubernetes' own controller, and the two live beside each other.

Install what it needs first (see ` + "`mainstay controller manifests --help`" + `). Run two or
three replicas: one works, and another takes over 10 s after it was killed, at the
latest, or at once when it is stopped. They agree by the lease mainstay-controller. PetSets go on
running without any of them; only nothing is started, updated or replaced.

It opens no port unless a flag says so.`,
		Example: `  mainstay controller --kubeconfig ~/.kube/config
  mainstay controller --health-address :8081        in a pod`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return standalone.Run(command.Context())
		},
	}
	flags := command.Flags()
	addKubeconfigFlag(flags, &standalone.Kubeconfig)
	flags.StringVar(&standalone.LeaseNamespace, "leader-election-namespace", "",
		"where the lease lies, the same for all replicas (default the pod's own namespace, else kube-system)")
	flags.StringVar(&standalone.HealthAddress, "health-address", "", "answer /healthz and /readyz there, as HOST:PORT or :PORT (default nowhere)")
	flags.StringVar(&standalone.MetricsAddress, "metrics-address", "",
		"answer /metrics there, to whoever can reach it, as HOST:PORT or :PORT (default nowhere)")
	addLogFlag(flags, "how much to log: 1 tells each decision with its reason")
	command.AddCommand(newControllerManifests(o))
	return command
}

func newControllerManifests(o *options) *cobra.Command {
	var namespace, image string
	command := &cobra.Command{
		Use:   "manifests",
		Short: "Print what a Kubernetes needs to have PetSets, for kubectl apply",
		Long: `Print, as YAML, what a Kubernetes needs to have PetSets: their definition, the
roles of those who use them, and an account for the controller with the least
rights that it needs.

With --image, two replicas of the controller as well. The image must have mainstay
as its entry point. The program needs nothing beside itself, so that this makes one:

  FROM scratch
  COPY mainstay /mainstay
  ENTRYPOINT ["/mainstay"]`,
		Example: `  mainstay controller manifests --image IMAGE | kubectl apply -f -`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return engine.PrintStandaloneObjects(o.out, namespace, image)
		},
	}
	command.Flags().StringVarP(&namespace, "namespace", "n", "kube-system", "where the controller and its lease live; it must exist")
	command.Flags().StringVar(&image, "image", "", "the image of the controller (default: print no Deployment)")
	return command
}
