package cli

import (
	"net"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mainstay-io/mainstay/internal/engine"
)

const defaultFenceStateDir = engine.DefaultDataDir + "/fence"

func newFence(o *options) *cobra.Command {
	command := &cobra.Command{
		Use:   "fence",
		Short: "Fail over from lost nodes on a Kubernetes that is not Mainstay's own",
		Long: `Fence the nodes of any Kubernetes that are lost, and have their pets started
elsewhere within seconds: the pods with the label mainstay.dev/failover=Fenced.

A keeper on each node holds the node's lease, and stops its pets when it cannot. Judges
declare a node fenced that has lost its lease. ` + "`mainstay fence manifests`" + ` installs both.`,
	}
	command.AddCommand(newFenceManifests(o), newFenceKeeper(), newFenceJudge(), newFenceLeave(), newFenceExecutioner())
	return command
}

func newFenceKeeper() *cobra.Command {
	var keeper engine.FenceKeeper
	command := &cobra.Command{
		Use:   "keeper",
		Short: "Hold this node's lease, and stop its pets when that runs out",
		Long: `Hold this node's lease in the cluster's fence, and answer for other nodes when the
API is away. Before the lease runs out it must be renewed: else this node's pets are
stopped, by this process or by another that it starts beside itself and that outlives it.

Of two keepers on a node one works, and the other takes over when it ends.`,
		Example: `  mainstay fence keeper --node-name worker-1 --node-ip 10.0.0.7 --kubeconfig keeper.kubeconfig`,
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			beSmall("")
			return keeper.Run(command.Context())
		},
	}
	flags := command.Flags()
	addKubeconfigFlag(flags, &keeper.Kubeconfig)
	flags.StringVar(&keeper.NodeName, "node-name", os.Getenv("NODE_NAME"), "the name of this node in that Kubernetes (or set NODE_NAME)")
	flags.IPVar(&keeper.NodeIP, "node-ip", net.ParseIP(os.Getenv("NODE_IP")), "the node's address there (or set NODE_IP)")
	flags.StringVar(&keeper.HostNamespaces, "host-namespaces", "", "in a pod with the node's process IDs: /proc/1/ns (default: this is a process of the node)")
	addKubeletHealthFlag(flags, &keeper.KubeletHealth)
	addFenceNodeFlags(flags, &keeper.StateDir, &keeper.KubeletCgroup, &keeper.KubeletDir)
	addWatchdogFlag(flags, &keeper.Watchdog)
	addLogFlag(flags, "how much to log: 2 tells each decision with its reason")
	return command
}

// addFenceNodeFlags are for what differs between clusters' nodes.
func addFenceNodeFlags(flags *pflag.FlagSet, stateDir, kubeletCgroup, kubeletDir *string) {
	flags.StringVar(kubeletDir, "kubelet-dir", "/var/lib/kubelet", "kubelet's root directory on the node")
	flags.StringVar(stateDir, "state-dir", defaultFenceStateDir, "the directory on the node that holds what outlives a keeper")
	flags.StringVar(kubeletCgroup, "kubelet-cgroup", "", "the cgroup of all pods (default /kubepods or /kubepods.slice, whichever there is)")
}

func addKubeletHealthFlag(flags *pflag.FlagSet, address *string) {
	flags.StringVar(address, "kubelet-health", engine.DefaultKubeletHealth, "where kubelet answers when it works")
}

func addWatchdogFlag(flags *pflag.FlagSet, watchdog *string) {
	flags.StringVar(watchdog, "watchdog", "", "a watchdog, such as /dev/watchdog, that resets the node if its pets cannot be stopped (default none)")
}

func newFenceLeave() *cobra.Command {
	keeper := engine.FenceKeeper{KubeletHealth: engine.DefaultKubeletHealth}
	var stay bool
	command := &cobra.Command{
		Use:   "leave",
		Short: "Take this node out of the fence, without stopping its pets",
		Long: `Take this node out of the fence, when its keeper has ended, without stopping its pets.

Remove the judges first: they would take the pets from a node whose lease runs out, and
nobody would have stopped them here.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := keeper.Leave(command.Context()); err != nil || !stay {
				return err
			}
			<-command.Context().Done()
			return nil
		},
	}
	addFenceNodeFlags(command.Flags(), &keeper.StateDir, &keeper.KubeletCgroup, &keeper.KubeletDir)
	command.Flags().BoolVar(&stay, "stay", false, "do not end then: for a DaemonSet, which would start it again")
	return command
}

func newFenceJudge() *cobra.Command {
	var judge engine.FenceJudge
	command := &cobra.Command{
		Use:   "judge",
		Short: "Declare lost nodes fenced, and have their pets started elsewhere",
		Long: `Watch the leases of all nodes. When one has run out, have the other nodes refuse it,
declare it fenced, and only then delete its pets and release their volumes, so that they
start elsewhere. While more than half of the nodes seem lost, nobody is fenced.

Several watch all the time, and one acts. They also sign the keepers' certificates.`,
		Example: `  mainstay fence judge --kubeconfig judge.kubeconfig`,
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			beSmall("")
			return judge.Run(command.Context())
		},
	}
	flags := command.Flags()
	addKubeconfigFlag(flags, &judge.Kubeconfig)
	flags.StringVarP(&judge.Namespace, "namespace", "n", "", "where keepers and judges live (default the pod's own namespace, else kube-system)")
	addLogFlag(flags, "how much to log: 2 tells which nodes do not answer")
	return command
}

// newFenceExecutioner is the process that stops pets when the keeper cannot. The keeper
// starts it.
func newFenceExecutioner() *cobra.Command {
	var executioner engine.FenceExecutioner
	command := &cobra.Command{
		Use: engine.ExecutionerCommand, Short: "Stop the pets of this node when their deadline is past", Args: cobra.NoArgs,
		Hidden: true, // the keeper alone needs it
		RunE: func(command *cobra.Command, _ []string) error {
			beSmall(executioner.LogFile)
			return executioner.Run(command.Context())
		},
	}
	flags := command.Flags()
	flags.StringVar(&executioner.StateDir, "state-dir", "", "as the keeper's")
	flags.StringVar(&executioner.KubeletCgroup, "kubelet-cgroup", "", "the same")
	flags.StringVar(&executioner.KubeletDir, "kubelet-dir", "", "the same")
	flags.StringVar(&executioner.HostNamespaces, "host-namespaces", "", "the same")
	flags.StringVar(&executioner.Watchdog, "watchdog", "", "the same")
	flags.StringVar(&executioner.LogFile, "log-file", "", "where to log (default the terminal)")
	return command
}

func newFenceManifests(o *options) *cobra.Command {
	var objects engine.FenceObjects
	command := &cobra.Command{
		Use:   "manifests",
		Short: "Print what a Kubernetes needs to have its lost nodes fenced, for kubectl apply",
		Long: `Print, as YAML, what a Kubernetes needs to have its lost nodes fenced: the namespace
of the nodes' leases, and accounts for keepers and judges with the least rights that they
need, and admission policies that hold each keeper to its own node.

With --image, also a DaemonSet of keepers and a Deployment of two judges. The image
must have mainstay as its entry point. The program needs nothing beside itself, so that
this makes one:

  FROM scratch
  COPY mainstay /mainstay
  ENTRYPOINT ["/mainstay"]`,
		Example: `  mainstay fence manifests --image IMAGE | kubectl apply -f -`,
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return objects.Print(o.out) },
	}
	flags := command.Flags()
	flags.StringVarP(&objects.Namespace, "namespace", "n", "kube-system", "where keepers and judges live; it must exist, and admit privileged pods")
	flags.StringVar(&objects.Image, "image", "", "the image of both (default: print nothing that runs)")
	flags.BoolVar(&objects.Leave, "leave", false, "instead of keepers and judges, what takes the nodes out of the fence without stopping pets; delete the judges first")
	flags.StringVar(&objects.HostNamespaces, "host-namespaces", "/proc/1/ns", "the namespaces of a process of the node, such as its first")
	addKubeletHealthFlag(flags, &objects.KubeletHealth)
	addFenceNodeFlags(flags, &objects.StateDir, &objects.KubeletCgroup, &objects.KubeletDir)
	addWatchdogFlag(flags, &objects.Watchdog)
	return command
}
