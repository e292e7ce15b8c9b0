package engine

import (
	"context"

	"github.com/spf13/pflag"
	"k8s.io/kubernetes/cmd/kube-proxy/app"
)

// runProxy runs kube-proxy, which makes Services reachable by nftables rules,
// until ctx ends.
func runProxy(ctx context.Context, config Config, paths Paths) error {
	run := app.NewOptions()
	flags := pflag.NewFlagSet("kube-proxy", pflag.ContinueOnError)
	run.AddFlags(flags)
	err := flags.Parse([]string{
		"--proxy-mode=nftables",
		"--cluster-cidr=" + PodCIDR,
		"--hostname-override=" + config.NodeName,
		"--kubeconfig=" + paths.kubeconfigOf("proxy"),
		"--kube-api-content-type=application/vnd.kubernetes.protobuf",
		"--kube-api-qps=200",
		"--kube-api-burst=400",
		// A new endpoint is of use only when the rules know it.
		"--iptables-min-sync-period=10ms",
		// Leave the machine's own settings alone.
		"--conntrack-max-per-core=0",
		"--conntrack-min=0",
		// Both would answer anybody.
		"--healthz-port=0",
		"--metrics-port=0",
	})
	if err != nil {
		return err
	}
	if err := run.Complete(flags); err != nil {
		return err
	}
	return run.Run(ctx)
}
