package engine

import (
	"context"
	"fmt"
	"net"

	"github.com/spf13/pflag"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"sigs.k8s.io/metrics-server/cmd/metrics-server/app/options"
)

const metricsService = "metrics-server"

// runMetrics runs metrics-server, which answers `kubectl top`, until ctx ends.
func runMetrics(ctx context.Context, paths Paths, address net.IP) error {
	run := options.NewOptions()
	flags := pflag.NewFlagSet("metrics-server", pflag.ContinueOnError)
	for _, set := range run.Flags().FlagSets {
		flags.AddFlagSet(set)
	}
	kubeconfig := paths.kubeconfigOf("metrics")
	err := flags.Parse([]string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=" + address.String(),
		fmt.Sprintf("--secure-port=%d", metricsPort),
		"--tls-cert-file=" + paths.pkiFile("metrics-server.crt"),
		"--tls-private-key-file=" + paths.pkiFile("metrics-server.key"),
		"--kubelet-certificate-authority=" + paths.pkiFile("ca.crt"),
		"--kubelet-preferred-address-types=InternalIP",
		"--metric-resolution=15s",
	})
	if err != nil {
		return err
	}
	run.Authentication.Anonymous = &apiserver.AnonymousAuthConfig{}
	config, err := run.ServerConfig()
	if err != nil {
		return err
	}
	server, err := config.Complete()
	if err != nil {
		return err
	}
	return server.RunUntil(ctx.Done())
}
