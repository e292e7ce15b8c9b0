package engine

import (
	"errors"
	"net"
	"os"
	"strings"

	utilnet "k8s.io/apimachinery/pkg/util/net"
)

func (p Paths) nodeName() string { return p.configFile("node-name") }

// DefaultNodeName is the name under which this machine has been part of the
// cluster; the first time, the machine's own, as kubelet would choose it.
func DefaultNodeName(dataDir string) (string, error) {
	remembered, err := os.ReadFile(Paths{DataDir: dataDir}.nodeName())
	if err == nil && len(remembered) > 0 {
		return strings.TrimSpace(string(remembered)), nil
	}
	name, err := os.Hostname()
	if err != nil {
		return "", err
	}
	return strings.ToLower(strings.TrimSpace(name)), nil
}

// DefaultNodeIP is the address of the interface behind the default route.
func DefaultNodeIP() (net.IP, error) {
	ip, err := utilnet.ChooseHostInterface()
	if err != nil || ip == nil || ip.To4() == nil {
		return nil, errors.New("this machine has no network address of its own: connect it, or name one with --node-ip")
	}
	return ip, nil
}
