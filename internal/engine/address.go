package engine

import (
	"errors"
	"net"
	"os"
	"strings"

	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// DefaultNodeName is the machine's own name, as kubelet would choose it.
func DefaultNodeName() (string, error) {
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
