package engine

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/spf13/pflag"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
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
	config, err := run.ServerConfig()
	if err != nil {
		return err
	}
	config.Apiserver.Authentication.Authenticator = refuseAnonymous(config.Apiserver.Authentication.Authenticator)
	server, err := config.Complete()
	if err != nil {
		return err
	}
	return server.RunUntil(ctx.Done())
}

// refuseAnonymous makes a request without credentials an unauthorized one. An
// extension server of upstream's lets it pass as the user system:anonymous, who
// may read a path or two, and has no option against it.
func refuseAnonymous(next authenticator.Request) authenticator.Request {
	return authenticator.RequestFunc(func(request *http.Request) (*authenticator.Response, bool, error) {
		response, known, err := next.AuthenticateRequest(request)
		if known && response.User.GetName() == user.Anonymous {
			return nil, false, nil
		}
		return response, known, err
	})
}
