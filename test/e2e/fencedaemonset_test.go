package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/internal/engine"
	"github.com/mainstay-io/mainstay/internal/fence"
	"github.com/mainstay-io/mainstay/internal/fence/agent"
	"github.com/mainstay-io/mainstay/test/hosts"
)

const mainstayImage = "mainstay.dev/test/mainstay:2"

// TestFenceDaemonSet runs keeper and judges in containers, as `mainstay fence manifests`
// installs them: an update stops no pet, and without a keeper the pets do not run on.
func TestFenceDaemonSet(t *testing.T) {
	h := hosts.New(t, 17)
	began := time.Now()
	n := startStockNode(t, h)
	t.Cleanup(func() { n.endFence(t) }) // before the pods are removed
	n.importImage(t, programImage(t, mainstayImage, os.Getenv("MAINSTAY_BINARY")))
	n.importImage(t, hosts.WriteBusyboxImage(t))
	beats := filepath.Join(t.TempDir(), "beats")
	n.kubectl(t, fmt.Sprintf(beatingPet, hosts.BusyboxImage, filepath.Dir(beats)), "apply", "-f", "-")
	n.kubectl(t, "", "wait", "pod/pet", "--for=condition=Ready", "--timeout=40s")
	t.Logf("the Kubernetes that is not ours took %.1f s", time.Since(began).Seconds())

	manifests := n.fenceManifests(t)
	n.kubectl(t, manifests, "apply", "-f", "-")
	lease := n.waitLease(t, fence.Open)
	executioner := n.executioner(t)
	checkOutlives(t, executioner)

	n.kubectl(t, "", "-n", "kube-system", "rollout", "restart", "daemonset/mainstay-fence-keeper")
	n.kubectl(t, "", "-n", "kube-system", "rollout", "status", "daemonset/mainstay-fence-keeper", "--timeout=60s")
	n.waitRenewed(t, n.waitLease(t, fence.Open))
	if now := n.waitLease(t, fence.Open); now.Epoch != lease.Epoch || n.executioner(t) != executioner || n.restarts(t) != "0" {
		t.Errorf("after an update epoch %d is %d, executioner %s is %s, and the pet was restarted %s times",
			lease.Epoch, now.Epoch, executioner, n.executioner(t), n.restarts(t))
	}

	n.kubectl(t, "", "-n", "kube-system", "delete", "daemonset/mainstay-fence-keeper")
	hosts.Eventually(t, 30*time.Second, func(context.Context) error {
		before := fileSize(t, beats)
		time.Sleep(500 * time.Millisecond)
		if fileSize(t, beats) > before {
			return errors.New("without a keeper the pet runs on")
		}
		return nil
	})
	n.kubectl(t, manifests, "apply", "-f", "-")
	size := fileSize(t, beats)
	hosts.Eventually(t, 60*time.Second, func(context.Context) error {
		if fileSize(t, beats) <= size {
			return errors.New("with a keeper the pet does not run again")
		}
		return nil
	})

	n.leaveFence(t)
	t.Logf("all took %.1f s", time.Since(began).Seconds())
}

// leaveFence removes the fence as the page says.
func (n *stockNode) leaveFence(t *testing.T) {
	t.Helper()
	restarts := n.restarts(t)
	n.kubectl(t, "", "-n", "kube-system", "delete", "deployment/mainstay-fence-judge")
	leave := n.fenceManifests(t, "--leave")
	n.kubectl(t, leave, "apply", "-f", "-")
	n.kubectl(t, "", "-n", "kube-system", "rollout", "status", "daemonset/mainstay-fence-keeper", "--timeout=60s")
	hosts.Eventually(t, 20*time.Second, func(context.Context) error {
		left, err := os.ReadDir(n.fenceDir())
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("of the fence are left %v", left)
		}
		return err
	})
	n.kubectl(t, leave, "delete", "-f", "-")
	time.Sleep(fence.DefaultTerms().Term) // by now the pet would be stopped
	if now := n.restarts(t); now != restarts {
		t.Errorf("the pet was restarted: %s times, before %s", now, restarts)
	}
	if found, err := exec.Command("pgrep", "--full", "fence executioner --state-dir="+n.fenceDir()).Output(); err == nil {
		t.Errorf("executioners are left: %s", found)
	}
}

// fenceManifests are what a person applies.
func (n *stockNode) fenceManifests(t *testing.T, flags ...string) string {
	t.Helper()
	flags = append([]string{"fence", "manifests", "--image", mainstayImage, "--state-dir", n.fenceDir(), "--kubelet-cgroup", n.kubeletCgroup(),
		"--kubelet-dir", n.kubeletDir,
		"--host-namespaces", fmt.Sprintf("/proc/%d/ns", os.Getpid())}, flags...) // on some machines of this project nobody may see those of the first process
	manifests, err := exec.Command(os.Getenv("MAINSTAY_BINARY"), flags...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(manifests)
}

const beatingPet = `
apiVersion: v1
kind: Pod
metadata: {name: pet, labels: {mainstay.dev/failover: Fenced}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: %s
    command: [sh, -c, "while :; do echo beat >>/shared/beats; sleep 0.05; done"]
    volumeMounts: [{name: shared, mountPath: /shared}]
  volumes: [{name: shared, hostPath: {path: %s, type: Directory}}]
`

func (n *stockNode) kubeletCgroup() string {
	return "/" + engine.Instance(n.machine.DataDir) + "/kubepods"
}

func (n *stockNode) fenceDir() string { return filepath.Join(n.machine.DataDir, "fence") }

func (n *stockNode) waitLease(t *testing.T, state fence.State) (lease fence.Lease) {
	t.Helper()
	hosts.Eventually(t, 60*time.Second, func(ctx context.Context) error {
		object, err := n.client.CoordinationV1().Leases(agent.Namespace).Get(ctx, n.machine.Name, metav1.GetOptions{})
		if err == nil {
			lease, err = fence.FromObject(object)
		}
		if err == nil && lease.State != state {
			err = fmt.Errorf("the lease is %+v", lease)
		}
		return err
	})
	return lease
}

// waitRenewed waits until the lease was renewed twice: the first may be an older keeper's.
func (n *stockNode) waitRenewed(t *testing.T, lease fence.Lease) {
	t.Helper()
	for range 2 {
		version := lease.Version
		hosts.Eventually(t, 10*time.Second, func(context.Context) error {
			if lease = n.waitLease(t, fence.Open); lease.Version == version {
				return errors.New("the lease is not renewed")
			}
			return nil
		})
	}
}

// executioner is its process's ID.
func (n *stockNode) executioner(t *testing.T) string {
	t.Helper()
	id, err := os.ReadFile(filepath.Join(n.fenceDir(), "executioner.pid"))
	if err != nil {
		t.Fatal(err)
	}
	return string(id)
}

// checkOutlives fails the test unless a process is one of the node, rather than of a pod.
func checkOutlives(t *testing.T, process string) {
	t.Helper()
	groups, err := os.ReadFile("/proc/" + process + "/cgroup")
	if err != nil || !strings.Contains(string(groups), "/mainstay-fence") || strings.Contains(string(groups), "kubepods") {
		t.Errorf("the executioner is in the cgroups (%v)\n%s", err, groups)
	}
	for _, namespace := range []string{"mnt", "cgroup", "pid"} {
		its, _ := os.Readlink("/proc/" + process + "/ns/" + namespace)
		nodes, _ := os.Readlink("/proc/self/ns/" + namespace)
		if its != nodes {
			t.Errorf("the executioner has the namespace %s, and the node %s", its, nodes)
		}
	}
}

func (n *stockNode) restarts(t *testing.T) string {
	t.Helper()
	return n.kubectl(t, "", "get", "pod/pet", "-o", "jsonpath={.status.containerStatuses[0].restartCount}")
}

// endFence shows what its parts have said, and ends what a test that failed has left.
func (n *stockNode) endFence(t *testing.T) {
	t.Helper()
	if !t.Failed() {
		return
	}
	logs, _ := filepath.Glob(n.file("pods/kube-system_mainstay-fence-*/*/*.log"))
	for _, log := range append(logs, filepath.Join(n.fenceDir(), "executioner.log"), filepath.Join(n.fenceDir(), "executioner.stderr")) {
		showEnd(t, log)
	}
	for _, kind := range []string{"deployment/mainstay-fence-judge", "daemonset/mainstay-fence-keeper"} {
		_ = n.kubectlCommand(t, "-n", "kube-system", "delete", "--wait=true", "--ignore-not-found", kind).Run()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	leave := n.machine.Command("fence", "leave", "--state-dir", n.fenceDir(), "--kubelet-cgroup", n.kubeletCgroup())
	stop := context.AfterFunc(ctx, func() { _ = leave.Process.Kill() })
	defer stop()
	if output, err := leave.CombinedOutput(); err != nil {
		t.Errorf("the node does not leave the fence: %v\n%s", err, output)
	}
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	s, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return s.Size()
}
