package netdisk_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/mainstay-io/mainstay/test/hosts/network"
	"github.com/mainstay-io/mainstay/test/netdisk"
	"github.com/mainstay-io/mainstay/test/netdisk/netdisktest"
)

const disk = "pvc-1"

// rig is two hosts with a driver each, and the disk server outside of them.
type rig struct {
	*network.Network
	server *netdisktest.Server
}

func newRig(t *testing.T) *rig {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes network namespaces")
	}
	n, err := network.New("disks", 249, network.Options{Hosts: 2, DiskBytes: 64 << 20})
	must(t, err)
	t.Cleanup(func() { must(t, n.Remove()) })
	r := &rig{n, netdisktest.Start(t, n)}
	for _, h := range r.Hosts {
		r.server.StartDriver(t, h, kubeletDir(h), 4*time.Second)
		soon(t, func() error {
			_, err := csi.NewIdentityClient(r.dial(t, h)).Probe(t.Context(), &csi.ProbeRequest{})
			return err
		})
	}
	return r
}

func kubeletDir(h *network.Host) string { return filepath.Join(h.DataDir(), "kubelet") }

func (r *rig) dial(t *testing.T, h *network.Host) *grpc.ClientConn {
	t.Helper()
	socket := netdisk.Driver{Name: netdisktest.DriverName, KubeletDir: kubeletDir(h)}.Plugin().Socket()
	connection, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(t, err)
	t.Cleanup(func() { connection.Close() })
	return connection
}

var capability = &csi.VolumeCapability{
	AccessType: &csi.VolumeCapability_Mount{Mount: &csi.VolumeCapability_MountVolume{}},
	AccessMode: &csi.VolumeCapability_AccessMode{Mode: csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER},
}

func (r *rig) create(t *testing.T) {
	t.Helper()
	_, err := csi.NewControllerClient(r.dial(t, r.Hosts[0])).CreateVolume(t.Context(), &csi.CreateVolumeRequest{
		Name: disk, VolumeCapabilities: []*csi.VolumeCapability{capability}, CapacityRange: &csi.CapacityRange{RequiredBytes: 400 << 20},
	})
	must(t, err)
}

// attach attaches the disk by the driver of one host to another.
func (r *rig) attach(t *testing.T, by, to *network.Host) (publishContext map[string]string, err error) {
	t.Helper()
	published, err := csi.NewControllerClient(r.dial(t, by)).ControllerPublishVolume(t.Context(), &csi.ControllerPublishVolumeRequest{
		VolumeId: disk, NodeId: to.Name(), VolumeCapability: capability,
	})
	return published.GetPublishContext(), err
}

func (r *rig) detach(t *testing.T, by, from *network.Host) {
	t.Helper()
	_, err := csi.NewControllerClient(r.dial(t, by)).ControllerUnpublishVolume(t.Context(), &csi.ControllerUnpublishVolumeRequest{
		VolumeId: disk, NodeId: from.Name(),
	})
	must(t, err)
}

func staging(h *network.Host) string { return filepath.Join(h.DataDir(), "staging") }

// volume is where a pod would have it, on each host: PostgreSQL's user may go there.
const volume = "/run/volume"

// mount attaches, stages and publishes.
func (r *rig) mount(t *testing.T, h *network.Host) {
	t.Helper()
	publishContext, err := r.attach(t, h, h)
	must(t, err)
	node := csi.NewNodeClient(r.dial(t, h))
	_, err = node.NodeStageVolume(t.Context(), &csi.NodeStageVolumeRequest{
		VolumeId: disk, PublishContext: publishContext, StagingTargetPath: staging(h), VolumeCapability: capability,
	})
	must(t, err)
	_, err = node.NodePublishVolume(t.Context(), &csi.NodePublishVolumeRequest{
		VolumeId: disk, PublishContext: publishContext, StagingTargetPath: staging(h), TargetPath: volume, VolumeCapability: capability,
	})
	must(t, err)
}

func (r *rig) unmount(t *testing.T, h *network.Host) {
	t.Helper()
	node := csi.NewNodeClient(r.dial(t, h))
	_, err := node.NodeUnpublishVolume(t.Context(), &csi.NodeUnpublishVolumeRequest{VolumeId: disk, TargetPath: volume})
	must(t, err)
	_, err = node.NodeUnstageVolume(t.Context(), &csi.NodeUnstageVolumeRequest{VolumeId: disk, StagingTargetPath: staging(h)})
	must(t, err)
}

// shell runs a script in the volume.
func shell(h *network.Host, script string) (string, error) {
	text, err := h.Run("sh", "-ec", "cd "+volume+"\n"+script).CombinedOutput()
	return strings.TrimSpace(string(text)), err
}

func mustShell(t *testing.T, h *network.Host, script string) string {
	t.Helper()
	text, err := shell(h, script)
	if err != nil {
		t.Fatalf("on %s: %s: %v: %s", h.Name(), script, err, text)
	}
	return text
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// soon tries until it succeeds.
func soon(t *testing.T, try func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(errors.Join(ctx.Err(), err))
		case <-time.After(20 * time.Millisecond):
		}
	}
}
