package engine

import (
	"context"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mainstay-io/mainstay/internal/engine/podroutes"
)

const networkUser = "mainstay:network"

// networkObjects are the rights of whoever leads packets to other machines' pods.
func networkObjects() []runtime.Object {
	return roleOf(networkUser, []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"list", "watch"}}})
}

// runPodRoutes leads packets to the pods of the other machines until ctx ends, and writes
// down which of these are servers. Both stay when it ends, as the pods do.
func runPodRoutes(ctx context.Context, config Config, paths Paths, pods podNetwork) error {
	client, err := clientOf(paths, "network")
	if err != nil {
		return err
	}
	network, err := pods.between(config)
	if err != nil {
		return err
	}
	return followNodes(ctx, client, func(ctx context.Context, nodes []*corev1.Node) error {
		if err := writeServers(paths, serversOf(config, nodes)); err != nil {
			return err
		}
		link, _, err := network.Link()
		if err != nil {
			return err
		}
		routes := podroutes.Decide(config.NodeName, machinesOf(nodes), link, netip.MustParsePrefix(PodCIDR))
		return network.Apply(ctx, routes)
	})
}

// between is the part of the pod network that lies between machines.
func (n podNetwork) between(config Config) (podroutes.Network, error) {
	address, err := netip.ParseAddr(config.NodeIP.String())
	if err != nil {
		return podroutes.Network{}, err
	}
	pods, err := netip.ParsePrefix(n.pods.String())
	return podroutes.Network{Name: n.name, Address: address, Pods: pods}, err
}

// machinesOf reads from the nodes what leads to their pods. What a node has not told
// yet, or what is no address, is left out.
func machinesOf(nodes []*corev1.Node) []podroutes.Machine {
	var machines []podroutes.Machine
	for _, node := range nodes {
		address, _ := netip.ParseAddr(internalIP(node))
		pods, _ := netip.ParsePrefix(node.Spec.PodCIDR)
		machines = append(machines, podroutes.Machine{Name: node.Name, Address: address, Pods: pods})
	}
	return machines
}
