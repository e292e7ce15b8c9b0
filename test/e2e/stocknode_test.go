package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/manager"
	"golang.org/x/sys/unix"

	"github.com/mainstay-io/mainstay/internal/engine"
	"github.com/mainstay-io/mainstay/test/hosts"
)

// stockNode is a Kubernetes that is not ours, whole, on one node: upstream's
// programs with their defaults, and a containerd. There is no kube-proxy: the one
// Service that pods ask, that of the API server, has an address of the node's own.
type stockNode struct {
	*stockCluster
	machine    *hosts.Host
	runtime    *somebodysContainerd
	kubeletDir string
}

var stockServiceAddress = net.IPv4(10, 0, 0, 1)

func startStockNode(t *testing.T, h *hosts.Host) *stockNode {
	t.Helper()
	n := &stockNode{stockCluster: &stockCluster{directory: t.TempDir()}, machine: h, kubeletDir: filepath.Join(h.DataDir, "kubelet")}
	makeCertificates(t, n.directory, h.IP, stockServiceAddress)
	h.Output(t, "ip", "address", "add", stockServiceAddress.String()+"/32", "dev", "lo")
	n.tokens = "kubelets-token,system:node:" + h.Name + ",2,system:nodes\n" +
		"controllers-token,system:kube-controller-manager,3\nschedulers-token,system:kube-scheduler,4\n"
	n.startAPIServer(t, h.Run, "https://"+h.IP.String(), append(startEtcd(t, h, 23990).flags(),
		"--bind-address=0.0.0.0", "--secure-port=443", "--allow-privileged", "--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction")...)
	n.startUpstream(t, h.Run, "kube-controller-manager", "--kubeconfig="+n.kubeconfig(t, "controllers", "controllers-token"),
		"--leader-elect=false", "--use-service-account-credentials",
		"--service-account-private-key-file="+n.file("server.key"), "--root-ca-file="+n.file("ca.crt"))
	n.startUpstream(t, h.Run, "kube-scheduler", "--kubeconfig="+n.kubeconfig(t, "schedulers", "schedulers-token"), "--leader-elect=false")
	n.startKubelet(t)
	return n
}

// kubeletConfiguration has what a kubelet needs that shares its machine. It looks
// at its pods more often than by default, and so sees sooner that a claim grows.
const kubeletConfiguration = `
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: %s
cgroupDriver: cgroupfs
cgroupRoot: /%s
failCgroupV1: false
failSwapOn: false
makeIPTablesUtilChains: false
podLogsDir: %s
syncFrequency: 2s
volumePluginDir: %s
`

func (n *stockNode) startKubelet(t *testing.T) {
	t.Helper()
	shareDirectory(t, n.machine.DataDir) // until all pods have gone
	n.runtime = startContainerd(t, n.machine)
	t.Cleanup(func() { n.removePods(t) })
	n.importImage(t, pauseImage(t))
	group := engine.Instance(n.machine.DataDir) // the host takes it away
	makeCgroup(t, group)
	config := fmt.Sprintf(kubeletConfiguration, n.runtime.endpoint(), group, n.file("pods"), n.file("plugins"))
	if err := os.WriteFile(n.file("kubelet.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	n.startUpstream(t, n.machine.Run, "kubelet", "--config="+n.file("kubelet.yaml"), "--root-dir="+n.kubeletDir,
		"--kubeconfig="+n.kubeconfig(t, "kubelet", "kubelets-token"), "--cert-dir="+n.file("pki"),
		"--hostname-override="+n.machine.Name, "--node-ip="+n.machine.IP.String())
	n.machine.WaitReady(t, n.client)
	// Its controller may come later than the node.
	n.kubectl(t, "", "wait", "serviceaccount/default", "--for=create", "--timeout=30s")
}

// shareDirectory makes a directory as it is on a machine with systemd: what is
// mounted below it in one mount namespace is in all.
func shareDirectory(t *testing.T, directory string) {
	t.Helper()
	err := os.MkdirAll(directory, 0o755)
	if err == nil {
		err = unix.Mount(directory, directory, "", unix.MS_BIND, "")
	}
	if err == nil {
		t.Cleanup(func() { _ = exec.Command("umount", "--recursive", directory).Run() })
		err = unix.Mount("", directory, "", unix.MS_SHARED, "")
	}
	if err != nil {
		t.Fatal(err)
	}
}

func makeCgroup(t *testing.T, name string) {
	t.Helper()
	group, err := manager.New(&cgroups.Cgroup{Path: "/" + name, Resources: &cgroups.Resources{SkipDevices: true}})
	if err == nil {
		err = group.Apply(-1) // no process
	}
	if err != nil {
		t.Fatal(err)
	}
}

// pauseImage is the one that somebody's containerd asks for.
func pauseImage(t *testing.T) (file string) {
	t.Helper()
	program, err := os.ReadFile("/usr/bin/catatonit")
	if err != nil {
		t.Fatal(err)
	}
	return hosts.WriteImage(t, v1.Config{Entrypoint: []string{"/pause", "-P"}}, map[string][]byte{"pause": program}, "mainstay.dev/pause:1")
}

func (n *stockNode) importImage(t *testing.T, file string) {
	t.Helper()
	n.runtime.ctr(t, "--namespace", "k8s.io", "images", "import", file)
}

// removePods ends what a kubelet has left in the runtime.
func (n *stockNode) removePods(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	service := n.runtime.serviceUntil(ctx, t)
	sandboxes, err := service.ListPodSandbox(ctx, nil)
	for _, sandbox := range sandboxes {
		err = errors.Join(err, service.StopPodSandbox(ctx, sandbox.Id), service.RemovePodSandbox(ctx, sandbox.Id))
	}
	if err != nil {
		t.Error(err)
	}
}

// programImage makes an image of programs of this machine, with the libraries
// that they need. The first is the entry point.
func programImage(t *testing.T, name string, paths ...string) (file string) {
	t.Helper()
	files := map[string][]byte{}
	add := func(path, as string) {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[as] = content
	}
	for _, path := range paths {
		found, err := exec.LookPath(path)
		if err != nil {
			t.Fatal(err)
		}
		add(found, "bin/"+filepath.Base(path))
		linked, _ := exec.Command("ldd", found).Output() // an error: it needs none
		for _, word := range strings.Fields(string(linked)) {
			if strings.HasPrefix(word, "/") {
				add(word, strings.TrimPrefix(word, "/"))
			}
		}
	}
	return hosts.WriteImage(t, v1.Config{Entrypoint: []string{filepath.Base(paths[0])}}, files, name)
}
