package engine

import (
	"cmp"
	"net"
	"net/url"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// serversOf lists where a machine finds the API, in the order in which it tries: a server
// its own first; then those that are Ready; at last what a person said when it joined.
func serversOf(config Config, nodes []*corev1.Node) []string {
	var servers []string
	if !config.Joined() {
		servers = append(servers, doorAddress)
	}
	others := slices.DeleteFunc(slices.Clone(nodes), func(n *corev1.Node) bool {
		return !IsServer(n) || n.Name == config.NodeName || internalIP(n) == ""
	})
	rank := func(n *corev1.Node) int {
		if nodeReady(n) {
			return 0
		}
		return 1
	}
	slices.SortFunc(others, func(a, b *corev1.Node) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Name, b.Name))
	})
	for _, node := range others {
		servers = append(servers, net.JoinHostPort(internalIP(node), strconv.Itoa(APIPort)))
	}
	if said := saidServer(config); said != "" && !slices.Contains(servers, said) {
		servers = append(servers, said)
	}
	return servers
}

// saidServer is the server's address that was said when the machine joined.
func saidServer(config Config) string {
	server, err := url.Parse(config.Server)
	if err != nil {
		return ""
	}
	return server.Host
}

// ensureServers gives a machine that has joined a server to begin with.
func ensureServers(config Config, paths Paths) error {
	if len(knownServers(paths)) > 0 {
		return nil
	}
	return writeServers(paths, serversOf(config, nil))
}
