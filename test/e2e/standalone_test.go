package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// TestStandalone runs the controller of PetSets on a Kubernetes that is not ours,
// with the rights that `mainstay controller manifests` gives it and no others.
func TestStandalone(t *testing.T) {
	t.Parallel() // with the engines that do the same: no kubelet of its own
	if os.Getenv("MAINSTAY_BINARY") == "" {
		t.Fatal("MAINSTAY_BINARY is not set: run the tests with make")
	}
	c := startStockCluster(t)
	began := time.Now()

	checkControllerRefuses(t, c.kubeconfig(t, "administrator", stockAdministrator),
		"does not know PetSets", "mainstay controller manifests | kubectl apply -f -")
	manifests, err := exec.Command(os.Getenv("MAINSTAY_BINARY"), "controller", "manifests", "--image", "example/mainstay:1").Output()
	if err != nil {
		t.Fatal(err)
	}
	c.kubectl(t, string(manifests), "apply", "-f", "-")
	c.kubectl(t, "", "wait", "--for=condition=Established", "crd/petsets.mainstay.dev")
	c.kubectl(t, "", "-n", "kube-system", "create", "serviceaccount", "nobody")
	checkControllerRefuses(t, c.accountKubeconfig(t, "nobody"), "system:serviceaccount:kube-system:nobody",
		"create, delete, list, patch, update, watch pods in all namespaces",
		"update petsets.mainstay.dev/status in all namespaces",
		"get, update leases.coordination.k8s.io/mainstay-controller in namespace kube-system",
		"roles mainstay:petset and, in namespace kube-system, mainstay-controller")

	kubeconfig := c.accountKubeconfig(t, "mainstay-controller")
	c.kubectl(t, engineLease, "apply", "-f", "-")
	checkControllerRefuses(t, kubeconfig, "is Mainstay's own engine: it looks after its PetSets itself")
	c.kubectl(t, engineLease, "delete", "-f", "-")

	health := "127.0.0.1:" + freePort(t)
	first := startReplica(t, kubeconfig)
	first.waitFor(t, "Successfully acquired lease")
	second := startReplica(t, kubeconfig, "--health-address", health)
	second.waitReady(t, health)
	if ports := first.ports(t); ports != "" {
		t.Errorf("without being asked to, it listens: %s", ports)
	}
	c.kubectl(t, standaloneSets, "apply", "-f", "-")
	c.waitSettled(t, "petset/db", 6, "db:1")
	c.waitSettled(t, "statefulset/web", 2, "web:1")

	took := c.rollWhile(t, "db:2", func() {
		first.signal(t, syscall.SIGKILL)
		c.kubectl(t, "", "patch", "statefulset/web", "--type=json", "-p", setImage("web:2"))
		c.waitSettled(t, "statefulset/web", 2, "web:2") // which needs none of ours
	})
	checkSoon(t, "killed", took, 12*time.Second)

	third := startReplica(t, kubeconfig, "-v=1")
	third.waitFor(t, "Attempting to acquire leader lease")
	took = c.rollWhile(t, "db:3", func() {
		second.signal(t, syscall.SIGTERM)
		if state := second.command.ProcessState; state.ExitCode() != 0 {
			t.Errorf("it was stopped, and ended with %v", state)
		}
	})
	checkSoon(t, "stopped", took, 4*time.Second)
	third.waitFor(t, `action="create pod" object="db-3" reason=`)

	fourth := startReplica(t, kubeconfig)
	fourth.waitFor(t, "Attempting to acquire leader lease")
	took = c.rollWhile(t, "db:4", func() { third.pause(t) })
	checkSoon(t, "frozen", took, 12*time.Second)
	third.signal(t, syscall.SIGCONT) // it leads no more, and learns of it now
	if log := third.output(t); !strings.Contains(log, "another replica has the lease") {
		t.Errorf("woken up, it ended with %v:\n%s", third.command.ProcessState, log)
	}

	c.useEveryRight(t)
	tryAdoptOnStock(t, c)
	c.checkRights(t)
	for _, replica := range []*replica{first, second, third, fourth} {
		if log := replica.output(t); strings.Contains(log, "forbidden") {
			t.Errorf("something was forbidden:\n%s", log)
		}
	}
	t.Logf("all but the build took %.1f s", time.Since(began).Seconds())
}

func checkSoon(t *testing.T, what string, took, limit time.Duration) {
	t.Helper()
	t.Logf("%.1f s after the leader was %s another went on with its rollout", took.Seconds(), what)
	if took > limit {
		t.Error("that is too long")
	}
}

// standaloneSets are a PetSet and a StatefulSet that live beside each other.
const standaloneSets = `
apiVersion: mainstay.dev/v1alpha1
kind: PetSet
metadata: {name: db}
spec:
  replicas: 6
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: main, image: "db:1"}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  replicas: 2
  serviceName: web
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "web:1"}]}
`

// engineLease is what an engine's own cluster has.
const engineLease = `
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: mainstay-controller, namespace: kube-system}
spec: {holderIdentity: mainstay-engine, leaseDurationSeconds: 2147483647}
`

func setImage(image string) string {
	return `[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"` + image + `"}]`
}

// checkControllerRefuses fails the test unless the controller ends at once, and says why.
func checkControllerRefuses(t *testing.T, kubeconfig string, says ...string) {
	t.Helper()
	output, err := exec.Command(os.Getenv("MAINSTAY_BINARY"), "controller", "--kubeconfig", kubeconfig).CombinedOutput()
	if ended := (*exec.ExitError)(nil); !errors.As(err, &ended) || ended.ExitCode() != 1 {
		t.Errorf("it ended with %v", err)
	}
	for _, words := range says {
		if !strings.Contains(string(output), words) {
			t.Errorf("it does not say %q:\n%s", words, output)
		}
	}
	t.Logf("it says: %s", output)
}

// replica is a process of the controller.
type replica struct {
	command *exec.Cmd
	log     string
}

func startReplica(t *testing.T, kubeconfig string, arguments ...string) *replica {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "replica.log"))
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{log: log.Name()}
	r.command = exec.Command(os.Getenv("MAINSTAY_BINARY"), append([]string{"controller", "--kubeconfig", kubeconfig}, arguments...)...)
	r.command.Stdout, r.command.Stderr = log, log
	if err := r.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = r.command.Process.Kill()
		_ = r.command.Wait()
		if t.Failed() {
			showEnd(t, r.log)
		}
	})
	return r
}

func (r *replica) output(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(r.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func (r *replica) waitFor(t *testing.T, words string) {
	t.Helper()
	hosts.Eventually(t, 15*time.Second, func(context.Context) error {
		if !strings.Contains(r.output(t), words) {
			return fmt.Errorf("the replica has not logged %q", words)
		}
		return nil
	})
}

// waitReady waits until the replica could take over.
func (r *replica) waitReady(t *testing.T, address string) {
	t.Helper()
	hosts.Eventually(t, 15*time.Second, func(context.Context) error {
		for _, path := range []string{"/healthz", "/readyz"} {
			answer, err := http.Get("http://" + address + path)
			if err != nil {
				return err
			}
			body, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				return fmt.Errorf("%s is %d: %s", path, answer.StatusCode, body)
			}
		}
		return nil
	})
	if strings.Contains(r.output(t), "Successfully acquired lease") {
		t.Error("two lead")
	}
}

// signal sends one that ends the replica, and waits for that.
func (r *replica) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := r.command.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	_ = r.command.Wait()
}

// pause lets the replica stand still, as a machine does that is suspended.
func (r *replica) pause(t *testing.T) {
	t.Helper()
	if err := r.command.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
}

// ports returns the ports that the replica has opened.
func (r *replica) ports(t *testing.T) string {
	t.Helper()
	output, err := exec.Command("ss", "--no-header", "--listening", "--tcp", "--udp", "--numeric", "--processes").Output()
	if err != nil {
		t.Fatal(err)
	}
	var ports []string
	for _, line := range strings.Split(string(output), "\n") {
		if strings.Contains(line, fmt.Sprintf("pid=%d,", r.command.Process.Pid)) {
			ports = append(ports, line)
		}
	}
	return strings.Join(ports, "\n")
}

// waitSettled waits until all pods of a set are ready, have the image, and the
// set's status says so.
func (c *stockCluster) waitSettled(t *testing.T, set string, pods int, image string) {
	t.Helper()
	_, name, _ := strings.Cut(set, "/")
	want := strings.TrimSpace(strings.Repeat(image+" ", pods))
	hosts.Eventually(t, 40*time.Second, func(ctx context.Context) error {
		list, err := c.client.CoreV1().Pods("default").List(ctx, metav1.ListOptions{LabelSelector: "app=" + name})
		if err != nil {
			return err
		}
		var images []string
		for _, pod := range list.Items {
			if pod.Status.Phase == corev1.PodRunning && pod.DeletionTimestamp == nil {
				images = append(images, pod.Spec.Containers[0].Image)
			}
		}
		if got := strings.Join(images, " "); got != want {
			return fmt.Errorf("the pods of %s run %s", set, got)
		}
		return nil
	})
	c.kubectl(t, "", "wait", set, fmt.Sprintf("--for=jsonpath={.status.updatedReplicas}=%d", pods), "--timeout=20s")
	c.kubectl(t, "", "wait", set, fmt.Sprintf("--for=jsonpath={.status.readyReplicas}=%d", pods), "--timeout=20s")
}

// rollWhile changes the image of db, and has the leader lost while two pets of six
// are new and a third is on its way out. It returns how long nobody led: from the
// call of lose to the third pet's return. Each pet must have been replaced once.
func (c *stockCluster) rollWhile(t *testing.T, image string, lose func()) time.Duration {
	t.Helper()
	before := map[string]int{}
	for ordinal := range 6 {
		name := fmt.Sprintf("db-%d", ordinal)
		before[name] = len(c.nodes.livesOf(name))
	}
	c.nodes.hold("db-3")
	c.kubectl(t, "", "patch", "petset/db", "--type=json", "-p", setImage(image))
	var leaving types.UID
	hosts.Eventually(t, 20*time.Second, func(ctx context.Context) error {
		pod, err := c.client.CoreV1().Pods("default").Get(ctx, "db-3", metav1.GetOptions{})
		if err == nil && pod.DeletionTimestamp == nil {
			err = errors.New("db-3 stays")
		}
		leaving = pod.UID
		return err
	})
	lost := time.Now()
	lose()
	if err := c.nodes.release(t.Context()); err != nil {
		t.Fatal(err)
	}
	hosts.Eventually(t, 20*time.Second, func(ctx context.Context) error {
		pod, err := c.client.CoreV1().Pods("default").Get(ctx, "db-3", metav1.GetOptions{})
		if apierrors.IsNotFound(err) || err == nil && pod.UID == leaving {
			return errors.New("db-3 is not back")
		}
		return err
	})
	took := time.Since(lost)
	c.waitSettled(t, "petset/db", 6, image)
	for name, lives := range before {
		if now := len(c.nodes.livesOf(name)); now != lives+1 {
			t.Errorf("%s was replaced %d times, not once", name, now-lives)
		}
	}
	return took
}
