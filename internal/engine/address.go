package engine

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	utilnet "k8s.io/apimachinery/pkg/util/net"
)

func (p Paths) nodeName() string { return p.configFile("node-name") }

// DefaultNodeName is the name under which this machine has been part of the
// cluster; the first time, the machine's own, as kubelet would choose it.
func DefaultNodeName(dataDir string) (string, error) {
	if known := knownNodeName(Paths{DataDir: dataDir}); known != "" {
		return known, nil
	}
	name, err := os.Hostname()
	if err != nil {
		return "", err
	}
	return strings.ToLower(strings.TrimSpace(name)), nil
}

// knownNodeName is the name that the machine has had; empty if it never had one.
func knownNodeName(paths Paths) string {
	remembered, _ := os.ReadFile(paths.nodeName())
	return strings.TrimSpace(string(remembered))
}

// NodeIP is the address of a node: the chosen one, or that of the interface
// behind the default route.
func NodeIP(chosen string) (net.IP, error) {
	if chosen != "" {
		ip := net.ParseIP(chosen).To4()
		if ip == nil {
			return nil, fmt.Errorf("--node-ip %q is not an IPv4 address", chosen)
		}
		if !ip.IsGlobalUnicast() { // what kubelet would refuse later
			return nil, fmt.Errorf("--node-ip %s: no other machine could reach this one there; name an address that one could", ip)
		}
		return ip, nil
	}
	ip, err := utilnet.ChooseHostInterface()
	if err != nil || ip == nil || ip.To4() == nil {
		return nil, errors.New("this machine has no network address of its own: connect it, or name one with --node-ip")
	}
	return ip, nil
}
