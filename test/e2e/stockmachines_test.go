package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/mainstay-io/mainstay/test/hosts"
	"github.com/mainstay-io/mainstay/test/hosts/network"
)

// stockMachines are a Kubernetes that is not ours on several machines that can be
// broken: upstream's programs with their defaults, and a containerd on each. The first
// machine has the API server and the controllers, too.
type stockMachines struct {
	*stockCluster
	network  *hosts.Network
	runtimes map[*hosts.Host]*somebodysContainerd
	kubelets map[*hosts.Host]*exec.Cmd
}

func startStockMachines(t *testing.T, number, count int) *stockMachines {
	t.Helper()
	c := &stockCluster{directory: t.TempDir()} // it is removed after the machines are
	n := hosts.NewNetwork(t, number, network.Options{Hosts: count})
	m := &stockMachines{stockCluster: c, network: n, runtimes: map[*hosts.Host]*somebodysContainerd{}, kubelets: map[*hosts.Host]*exec.Cmd{}}
	server := n.Hosts[0]
	makeCertificates(t, c.directory, server.IP, stockServiceAddress)
	c.tokens = "controllers-token,system:kube-controller-manager,3\nschedulers-token,system:kube-scheduler,4\n"
	for i, h := range n.Hosts {
		c.tokens += fmt.Sprintf("kubelet-%s,system:node:%s,%d,system:nodes\n", h.Name, h.Name, 10+i)
	}
	c.startAPIServer(t, server.Run, "https://"+server.IP.String(), append(startEtcd(t, server, 23990).flags(),
		"--bind-address=0.0.0.0", "--secure-port=443", "--allow-privileged", "--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction")...)
	c.startUpstream(t, server.Run, "kube-controller-manager", "--kubeconfig="+c.kubeconfig(t, "controllers", "controllers-token"),
		"--leader-elect=false", "--use-service-account-credentials",
		"--service-account-private-key-file="+c.file("server.key"), "--root-ca-file="+c.file("ca.crt"))
	c.startUpstream(t, server.Run, "kube-scheduler", "--kubeconfig="+c.kubeconfig(t, "schedulers", "schedulers-token"), "--leader-elect=false")
	for _, image := range []string{pauseImage(t), hosts.WriteBusyboxImage(t)} {
		for _, h := range n.Hosts {
			if m.runtimes[h] == nil {
				m.runtimes[h] = startContainerd(t, h)
			}
			m.runtimes[h].ctr(t, "--namespace", "k8s.io", "images", "import", image)
		}
	}
	for _, h := range n.Hosts {
		m.startKubelet(t, h)
	}
	for _, h := range n.Hosts {
		h.WaitReady(t, m.client)
	}
	return m
}

func (m *stockMachines) startKubelet(t *testing.T, h *hosts.Host) {
	t.Helper()
	own := func(name string) string { return filepath.Join(h.DataDir, name) }
	config := fmt.Sprintf(kubeletConfiguration, m.runtimes[h].endpoint(), "", own("pods"), own("plugins"))
	if err := os.WriteFile(own("kubelet.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	m.kubelets[h] = m.startUpstream(t, h.Run, "kubelet", "--config="+own("kubelet.yaml"), "--root-dir="+own("kubelet"),
		"--kubeconfig="+m.kubeconfig(t, "kubelet-"+h.Name, "kubelet-"+h.Name), "--cert-dir="+own("pki"),
		"--hostname-override="+h.Name, "--node-ip="+h.IP.String())
}

// host finds the machine of a node.
func (m *stockMachines) host(t *testing.T, node string) *hosts.Host {
	t.Helper()
	for _, h := range m.network.Hosts {
		if h.Name == node {
			return h
		}
	}
	t.Fatalf("there is no machine %q", node)
	return nil
}
