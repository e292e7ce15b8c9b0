package engine

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"text/template"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/miekg/dns"
	"k8s.io/klog/v2"

	// The plugins that the Corefile names.
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/kubernetes"
)

//go:embed Corefile
var corefileTemplate string

// runDNS answers the names of the cluster, and forwards all others to the
// machine's own resolvers, until ctx ends.
func runDNS(ctx context.Context, paths Paths, address net.IP) error {
	corefile, err := corefile(paths, address, machineResolvers("/etc/resolv.conf"))
	if err != nil {
		return err
	}
	dnsserver.Directives = []string{"bind", "errors", "cache", "kubernetes", "forward"}
	dnsserver.Quiet, caddy.Quiet = true, true
	if err := dnsserver.Register(); err != nil {
		return err
	}
	instance, err := caddy.Start(caddy.CaddyfileInput{
		Filepath: "Corefile", Contents: corefile, ServerTypeName: "dns",
	})
	if err != nil {
		return fmt.Errorf("start DNS: %w", err)
	}
	klog.ClearLogger() // the plugin took the log of the whole process for its own
	<-ctx.Done()
	return errors.Join(append(instance.ShutdownCallbacks(), instance.Stop())...)
}

func corefile(paths Paths, address net.IP, resolvers []string) ([]byte, error) {
	var out bytes.Buffer
	err := template.Must(template.New("Corefile").Parse(corefileTemplate)).Execute(&out, map[string]any{
		"Port": dnsPort, "Address": address.String(), "Domain": ClusterDomain,
		"PodCIDR": PodCIDR, "ServiceCIDR": ServiceCIDR,
		"Kubeconfig": paths.kubeconfigOf("dns"), "Resolvers": resolvers,
	})
	return out.Bytes(), err
}

// machineResolvers returns the name servers of a resolv.conf; none if there is
// no such file, and then only the cluster's own names can be answered.
func machineResolvers(file string) []string {
	if _, err := os.Stat(file); err != nil {
		return nil
	}
	config, err := dns.ClientConfigFromFile(file)
	if err != nil {
		return nil
	}
	return config.Servers
}
