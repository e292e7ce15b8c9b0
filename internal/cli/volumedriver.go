package cli

import (
	"flag"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/klog/v2"

	"github.com/mainstay-io/mainstay/internal/engine"
)

func newVolumeDriver(o *options) *cobra.Command {
	var driver engine.VolumeDriver
	command := &cobra.Command{
		Use:   "volume-driver",
		Short: "Run the CSI driver of volumes on a Kubernetes that is not Mainstay's own",
		Long: `Run the driver of volumes (volume.mainstay.dev) by itself, on one node of any
Kubernetes from 1.34 on. Install it on all nodes with ` + "`mainstay volume-driver manifests`" + `.

Volumes stay mounted when it ends, and it finds them again. While it is away
nothing is mounted or unmounted, made, enlarged or held to its limits.

It opens no port unless a flag says so.`,
		Example: `  mainstay volume-driver --node-name worker-1 --kubeconfig driver.kubeconfig
  mainstay volume-driver --health-address :8081        in a pod`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return driver.Run(command.Context()) },
	}
	flags := command.Flags()
	addKubeconfigFlag(flags, &driver.Kubeconfig)
	flags.StringVar(&driver.NodeName, "node-name", os.Getenv("NODE_NAME"), "the name of this node in that Kubernetes (or set NODE_NAME)")
	addNodeFlags(flags, &driver.KubeletDir, &driver.PoolDir)
	flags.StringVar(&driver.HealthAddress, "health-address", "", "answer /healthz and /readyz there, as HOST:PORT or :PORT (default nowhere)")
	addLogFlag(flags, "how much to log")
	command.AddCommand(newVolumeDriverManifests(o), newSnapshotController())
	return command
}

func addKubeconfigFlag(flags *pflag.FlagSet, kubeconfig *string) {
	flags.StringVar(kubeconfig, "kubeconfig", "", "which Kubernetes (default in a pod: the one around it)")
}

func addNodeFlags(flags *pflag.FlagSet, kubeletDir, poolDir *string) {
	flags.StringVar(kubeletDir, "kubelet-dir", "/var/lib/kubelet", "kubelet's root directory on the node")
	flags.StringVar(poolDir, "pool-dir", engine.Paths{DataDir: engine.DefaultDataDir}.Pool(), "the directory on the node that holds the volumes")
}

func addLogFlag(flags *pflag.FlagSet, usage string) {
	log := flag.NewFlagSet("log", flag.ContinueOnError)
	klog.InitFlags(log)
	flags.AddGoFlag(log.Lookup("v"))
	flags.Lookup("v").Usage = usage
}

func newVolumeDriverManifests(o *options) *cobra.Command {
	var objects engine.VolumeDriverObjects
	command := &cobra.Command{
		Use:   "manifests",
		Short: "Print what a Kubernetes needs to have Mainstay's volumes, for kubectl apply",
		Long: `Print, as YAML, what a Kubernetes needs to have Mainstay's volumes: the CSIDriver,
the classes, the definition of Pools, and an account with the least rights that the
driver needs.

With --image, also a DaemonSet that runs the driver on every node. The image must
have mainstay as its entry point, and the programs that mkfs, grow and mount:

  FROM debian:bookworm-slim
  RUN apt-get update && apt-get install -y e2fsprogs xfsprogs && rm -r /var/lib/apt/lists
  COPY mainstay /usr/bin/
  ENTRYPOINT ["mainstay"]`,
		Example: `  mainstay volume-driver manifests --image IMAGE | kubectl apply -f -`,
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return objects.Print(o.out) },
	}
	flags := command.Flags()
	flags.StringVarP(&objects.Namespace, "namespace", "n", "kube-system", "where the driver lives; it must exist, and admit privileged pods")
	flags.StringVar(&objects.Image, "image", "", "the image of the driver (default: print nothing that runs)")
	flags.BoolVar(&objects.Snapshots, "snapshot-controller", false,
		"also the kinds of VolumeSnapshots and their controller, for a Kubernetes that has none")
	addNodeFlags(flags, &objects.KubeletDir, &objects.PoolDir)
	return command
}

func newSnapshotController() *cobra.Command {
	var controller engine.SnapshotController
	command := &cobra.Command{
		Use:   "snapshot-controller",
		Short: "Run upstream's controller of VolumeSnapshots, for a Kubernetes that has none",
		Long: `Run upstream's controller of VolumeSnapshots and VolumeGroupSnapshots, for all CSI
drivers of a Kubernetes that has none. ` + "`mainstay volume-driver manifests --snapshot-controller`" + `
installs what it needs. Of several replicas one works.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return controller.Run(command.Context()) },
	}
	flags := command.Flags()
	addKubeconfigFlag(flags, &controller.Kubeconfig)
	flags.StringVar(&controller.LeaseNamespace, "leader-election-namespace", "",
		"where the lease lies, the same for all replicas (default the pod's own namespace, else kube-system)")
	flags.StringVar(&controller.HealthAddress, "health-address", "", "answer /healthz there, as HOST:PORT or :PORT (default nowhere)")
	return command
}
