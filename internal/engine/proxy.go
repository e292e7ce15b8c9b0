package engine

import (
	"context"
	"fmt"

	"github.com/spf13/pflag"
	"k8s.io/kubernetes/cmd/kube-proxy/app"
)

// runProxy runs kube-proxy, which makes Services reachable by nftables rules,
// until ctx ends.
func runProxy(ctx context.Context, config Config, paths Paths) error {
	run := app.NewOptions()
	flags := pflag.NewFlagSet("kube-proxy", pflag.ContinueOnError)
	run.AddFlags(flags)
	run.ConfigFile = paths.configFile("kube-proxy.yaml")
	if err := writeFile(run.ConfigFile, proxyConfig(config, paths)); err != nil {
		return err
	}
	if err := run.Complete(flags); err != nil {
		return err
	}
	if err := run.Validate(); err != nil {
		return err
	}
	return run.Run(ctx)
}

// proxyConfig is written as a file because kube-proxy's own code fills the
// defaults of its configuration only when it reads one.
func proxyConfig(config Config, paths Paths) []byte {
	return fmt.Appendf(nil, `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clusterCIDR: %s
hostnameOverride: %s
healthzBindAddress: ""
metricsBindAddress: ""
clientConnection:
  kubeconfig: %s
  contentType: application/vnd.kubernetes.protobuf
  qps: 200
  burst: 400
conntrack:
  # Leave the machine's own settings alone.
  maxPerCore: 0
  min: 0
nftables:
  minSyncPeriod: 10ms
`, PodCIDR, config.NodeName, paths.kubeconfigOf("proxy"))
}
