package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/driver"
)

// VolumeDriver is the driver of Mainstay's volumes by itself, on one node of a
// Kubernetes that is not ours.
type VolumeDriver struct {
	// Kubeconfig says which Kubernetes; empty in a pod, for the one around it.
	Kubeconfig string
	// NodeName is the node's name in that Kubernetes.
	NodeName string
	// KubeletDir is kubelet's root directory, and PoolDir the one that holds the
	// volumes. In a container both have the same paths as on the node.
	KubeletDir, PoolDir string
	// HealthAddress is where /healthz and /readyz are answered; empty: nowhere.
	HealthAddress string
}

// Run serves kubelet and volume claims until ctx ends. Mounted volumes stay
// mounted then. It may be started while the API server is away: kubelet is served
// all the same.
func (d VolumeDriver) Run(ctx context.Context) error {
	ctrl.SetLogger(klog.Background())
	if err := d.check(); err != nil {
		return err
	}
	access, err := accessTo(d.Kubeconfig, volumeDriverName)
	if err != nil {
		return err
	}
	// Files that outlive the container, and are for root only.
	plugin := filepath.Join(d.KubeletDir, "plugins", volume.DriverName)
	config := driver.Config{
		NodeName: d.NodeName, Version: Version, KubeletDir: d.KubeletDir,
		Pools: []volume.Place{{Name: volume.DefaultPool, Path: d.PoolDir}}, PoolStateDir: filepath.Join(plugin, "pools"),
		SocketDir: plugin, RESTConfig: access,
	}
	cluster := &volumeCluster{access: access}
	parts := newGroup(ctx)
	parts.run("driver of volumes", func(ctx context.Context) error { return driver.Run(ctx, config) })
	parts.run("look at the cluster", cluster.watch)
	if d.HealthAddress != "" {
		parts.run("health", func(ctx context.Context) error { return serveHealth(ctx, d.HealthAddress, cluster.problem) })
	}
	return parts.Wait()
}

// volumePrograms are those that the driver calls.
var volumePrograms = []need{
	{program: "mount", debianPackage: "mount"},
	{program: "blkid", debianPackage: "util-linux"},
	{program: "fsfreeze", debianPackage: "util-linux"},
	{program: "sh", debianPackage: "dash"},
	{program: "head", debianPackage: "coreutils"},
	{program: "timeout", debianPackage: "coreutils"},
	{program: "mkfs.ext4", debianPackage: "e2fsprogs"},
	{program: "e2fsck", debianPackage: "e2fsprogs"},
	{program: "resize2fs", debianPackage: "e2fsprogs"},
	{program: "mkfs.xfs", debianPackage: "xfsprogs"},
	{program: "xfs_growfs", debianPackage: "xfsprogs"},
}

// check refuses a node on which the driver could not work.
func (d VolumeDriver) check() error {
	if os.Geteuid() != 0 {
		return errors.New("the driver of volumes mounts them, and needs root")
	}
	if d.NodeName == "" {
		return errors.New("on which node? Say --node-name NAME, or set NODE_NAME (in a pod: by a fieldRef to spec.nodeName)")
	}
	if programs, packages := lacking(volumePrograms); len(programs) > 0 {
		return fmt.Errorf("the driver of volumes lacks %s: on Debian and Ubuntu, and in an image made of them, apt-get install %s",
			strings.Join(programs, ", "), strings.Join(packages, " "))
	}
	return checkKubeletDir(d.KubeletDir)
}
