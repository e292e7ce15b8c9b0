package netdisk

import (
	"path/filepath"
	"sync"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mainstay-io/mainstay/test/csidriver"
)

// Driver is the CSI driver on a node: both services, no sidecars. It must run in the
// mount namespace of kubelet, as root. When it ends, its devices end.
type Driver struct {
	Name, NodeName string
	// Server is the address of the disk server, HOST:PORT.
	Server string
	// KubeletDir is kubelet's root directory.
	KubeletDir string
	// Patience is how long a request of a device is tried before it fails.
	Patience time.Duration
}

// Plugin is what kubelet sees of it.
func (d Driver) Plugin() csidriver.Plugin {
	return csidriver.Plugin{
		Name: d.Name, KubeletDir: d.KubeletDir,
		Controller: controller{Driver: d}, Node: &node{Driver: d, devices: map[string]*Device{}},
	}
}

// answer gives what the disk server refused the code that the CSI specification has
// for it.
func answer(err error) error {
	refused := refusalOf(err)
	if refused == nil {
		if err != nil {
			return status.Error(codes.Unavailable, err.Error())
		}
		return nil
	}
	code := codes.FailedPrecondition
	switch refused.code {
	case missing:
		code = codes.NotFound
	case invalid:
		code = codes.InvalidArgument
	}
	return status.Error(code, refused.text)
}

// node is the service on a node.
type node struct {
	csi.UnimplementedNodeServer
	Driver

	mu      sync.Mutex // one volume after the other
	devices map[string]*Device
}

func (n *node) deviceDir(disk string) string {
	return filepath.Join(n.KubeletDir, "plugins", n.Name, "devices", disk)
}
