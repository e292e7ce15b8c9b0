package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/mainstay-io/mainstay/internal/engine"
	"github.com/mainstay-io/mainstay/test/hosts"
	"github.com/mainstay-io/mainstay/test/hosts/network"
)

// movableSet has a pet on each of three machines, that may start elsewhere.
const movableSet = `
apiVersion: mainstay.dev/v1alpha1
kind: PetSet
metadata: {name: move}
spec:
  replicas: 3
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: move}}
  template:
    metadata: {labels: {app: move, mainstay.dev/failover: Fenced}}
    spec:
      terminationGracePeriodSeconds: 1
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: move}}}
      containers: [{name: move, image: ` + hosts.BusyboxImage + `, command: [sleep, "1000000"]}]
`

// TestServers runs two servers and a node on an etcd cluster of its own machine, and
// loses the server that leads: once it is cut off from etcd, once its power is gone.
func TestServers(t *testing.T) {
	n := hosts.NewNetwork(t, 9, network.Options{Hosts: 4})
	first, second, node, etcdHost := n.Hosts[0], n.Hosts[1], n.Hosts[2], n.Hosts[3]
	etcd := startEtcdAt(t, etcdHost, etcdHost.IP, 23790)
	first.Up(t, etcd.flags()...)
	nodeToken := first.Token(t)
	serverToken := createServerToken(t, first)
	t.Run("what keeps a machine from becoming a server", func(t *testing.T) {
		tryServerRefusals(t, n, first, second, etcdHost, nodeToken, serverToken)
	})
	t.Run("the only server cannot leave", func(t *testing.T) {
		output, err := first.Command("leave", "--force").CombinedOutput()
		if err == nil || !strings.Contains(string(output), "only server") {
			t.Errorf("%v: %s", err, output)
		}
	})
	t.Run("who may read what servers share", func(t *testing.T) { tryServerTokens(t, first, nodeToken, serverToken) })
	together([]*hosts.Host{second, node}, func(h *hosts.Host) {
		h.Join(t, map[*hosts.Host][]string{second: serverToken, node: nodeToken}[h])
	})
	if t.Failed() {
		t.FailNow()
	}
	if table := first.Mainstay(t, "nodes"); strings.Count(table, "server") != 2 || strings.Count(table, "Ready") != 3 {
		t.Errorf("nodes:\n%s", table)
	}
	for _, h := range []*hosts.Host{first, second} { // each by a metrics-server of its own
		hosts.Eventually(t, 30*time.Second, func(context.Context) error {
			output, err := h.Command("kubectl", "get", "--raw", "/apis/metrics.k8s.io/v1beta1").CombinedOutput()
			if err != nil {
				err = fmt.Errorf("%s knows no metrics: %w: %s", h.Name, err, output)
			}
			return err
		})
	}
	t.Run("a join that was killed is repeated", func(t *testing.T) { tryHalfServer(t, second, serverToken) })
	together(n.Hosts[:3], func(h *hosts.Host) { h.ImportBusybox(t) })
	first.Apply(t, movableSet)
	first.Kubectl(t, "wait", "petset/move", "--for=jsonpath={.status.readyReplicas}=3", "--timeout=60s")
	checkLeader(t, second, first)
	t.Run("a server leaves, and another one joins in its stead", func(t *testing.T) { tryServerLeaves(t, first, second, serverToken) })
	t.Run("the leading server is cut off from etcd", func(t *testing.T) { tryCutLeader(t, n, first, second, etcdHost) })
	t.Run("the leading server loses power", func(t *testing.T) { tryLostLeader(t, second, first) })
}

// createServerToken returns the words of the command with which servers join.
func createServerToken(t *testing.T, server *hosts.Host) []string {
	t.Helper()
	printed := strings.TrimSpace(server.Mainstay(t, "token", "create", "--as-server"))
	words := strings.Fields(printed[strings.LastIndex(printed, "\n")+1:])
	if len(words) != 7 || words[6] != "--as-server" {
		t.Fatalf("token create --as-server does not end with a command: %s", printed)
	}
	return words[1:]
}

// tryServerRefusals: each in one line that tells what to do, and nothing left behind.
func tryServerRefusals(t *testing.T, n *hosts.Network, server, h, etcd *hosts.Host, nodeToken, serverToken []string) {
	address, word := serverToken[2], serverToken[4]
	for _, refusal := range []struct {
		name      string
		arguments []string
		says      []string
	}{
		{"a node's token", append(nodeToken[:len(nodeToken):len(nodeToken)], "--as-server"), []string{"makes nodes", "token create --as-server"}},
		{"a server's token for a node", serverToken[:5], []string{"makes servers", "--as-server"}},
		{"another key", []string{"join", "--server", address, "--token", word[:len(word)-4] + "0000", "--as-server"}, []string{"does not open", "whole word"}},
		{"the first server's name", append(serverToken[:len(serverToken):len(serverToken)], "--node-name", server.Name), []string{server.Name, "Ready", "--node-name"}},
		{"etcd out of reach", serverToken, []string{"etcd does not answer", etcd.IP.String()}},
	} {
		if refusal.name == "etcd out of reach" {
			if err := n.Cut(h.Virtual, etcd.Virtual); err != nil {
				t.Fatal(err)
			}
		}
		output, err := h.Command(refusal.arguments...).CombinedOutput()
		text := strings.TrimSpace(string(output))
		last := text[strings.LastIndex(text, "\n")+1:]
		for _, says := range append(refusal.says, "mainstay: ") {
			if err == nil || !strings.Contains(last, says) {
				t.Errorf("%s: %v, does not say %q:\n%s", refusal.name, err, says, text)
			}
		}
		if strings.Contains(text, word[len(word)-64:]) {
			t.Errorf("%s: it tells the key:\n%s", refusal.name, text)
		}
		if left, err := os.ReadDir(filepath.Join(h.DataDir, "pki")); err == nil {
			t.Errorf("%s: it left %v", refusal.name, left)
		}
	}
	if err := n.MendAll(); err != nil {
		t.Fatal(err)
	}
}

// tryServerTokens: the bearer of a token for servers may read that one Secret.
func tryServerTokens(t *testing.T, server *hosts.Host, nodeToken, serverToken []string) {
	read := func(token []string, of string) error {
		access := rest.AnonymousClientConfig(server.Access(t))
		access.BearerToken = token[4][:23]
		_, err := kubernetes.NewForConfigOrDie(access).CoreV1().Secrets("kube-system").Get(t.Context(), "bootstrap-token-"+of[:6], metav1.GetOptions{})
		return err
	}
	if err := read(serverToken, serverToken[4]); err != nil {
		t.Errorf("a server's token cannot read its own: %v", err)
	}
	for what, err := range map[string]error{
		"a server's token reads another": read(serverToken, nodeToken[4]),
		"a node's token reads its own":   read(nodeToken, nodeToken[4]),
		"a node's token reads another":   read(nodeToken, serverToken[4]),
	} {
		if !apierrors.IsForbidden(err) {
			t.Errorf("%s, and is not forbidden to: %v", what, err)
		}
	}
	another := createServerToken(t, server)[4][:6]
	if list := server.Mainstay(t, "token", "list"); strings.Count(list, "servers") != 2 || strings.Contains(list, serverToken[4][7:23]) {
		t.Errorf("token list shows:\n%s", list)
	}
	server.Mainstay(t, "token", "delete", another)
	hosts.Eventually(t, 20*time.Second, func(ctx context.Context) error { // its rights go with it
		_, err := server.Client(t).RbacV1().Roles("kube-system").Get(ctx, "mainstay:join:bootstrap-token-"+another, metav1.GetOptions{})
		if err == nil {
			return errors.New("the right to read a deleted token is still there")
		}
		if !apierrors.IsNotFound(err) {
			return err
		}
		return nil
	})
}

// tryHalfServer: a directory that has not all of what servers share starts nothing.
func tryHalfServer(t *testing.T, h *hosts.Host, token []string) {
	h.Mainstay(t, "down")
	if err := os.Remove(filepath.Join(h.DataDir, "pki", "ca.crt")); err != nil {
		t.Fatal(err)
	}
	checkRefused(t, h, nil, "has not finished joining", "mainstay join")
	h.Join(t, token)
}

// tryServerLeaves: its pets are Ready elsewhere before it goes, and nothing of the cluster
// stays on it, its keys least of all.
func tryServerLeaves(t *testing.T, stays, leaves *hosts.Host, token []string) {
	leaves.Mainstay(t, "leave")
	if left, err := os.ReadDir(leaves.DataDir); err == nil {
		t.Errorf("on the machine that left is still %v", left)
	}
	for name, pet := range movablePets(t, stays) {
		if pet.Spec.NodeName == leaves.Name || readySince(pet).IsZero() {
			t.Errorf("%s is on %s, and Ready since %v", name, pet.Spec.NodeName, readySince(pet))
		}
	}
	if table := stays.Mainstay(t, "nodes"); strings.Contains(table, leaves.Name) {
		t.Errorf("nodes:\n%s", table)
	}
	leaves.Join(t, token)
	leaves.ImportBusybox(t)
	checkLeader(t, leaves, stays)
}

// leader returns the name of the server that leads, as another one sees it.
func leader(ctx context.Context, client kubernetes.Interface) (string, error) {
	lease, err := client.CoordinationV1().Leases("kube-system").Get(ctx, "kube-controller-manager", metav1.GetOptions{})
	if err != nil || lease.Spec.HolderIdentity == nil {
		return "", fmt.Errorf("nobody leads: %w", err)
	}
	return *lease.Spec.HolderIdentity, nil
}

// checkLeader waits until the server leads, as another one sees it.
func checkLeader(t *testing.T, from, server *hosts.Host) {
	t.Helper()
	client := from.Client(t)
	hosts.Eventually(t, 20*time.Second, func(ctx context.Context) error {
		name, err := leader(ctx, client)
		if err == nil && name != server.Name {
			err = fmt.Errorf("%s leads, not %s", name, server.Name)
		}
		return err
	})
}

// tryCutLeader: its pods go on, and when etcd is back it stands by, as a new engine in
// the same process.
func tryCutLeader(t *testing.T, n *hosts.Network, leads, other, etcd *hosts.Host) {
	pid := leads.EnginePID(t)
	container := startPod(t, leads, "stays", leads.Name, "In", time.Now())
	cut := time.Now()
	if err := n.Cut(leads.Virtual, etcd.Virtual); err != nil {
		t.Fatal(err)
	}
	checkLeader(t, other, other)
	t.Logf("%.1f s after the cut %s leads", time.Since(cut).Seconds(), other.Name)
	startPod(t, other, "after-cut", leads.Name, "NotIn", cut)
	if err := n.MendAll(); err != nil {
		t.Fatal(err)
	}
	started := func() time.Time {
		state, err := engine.NewControl(leads.DataDir).State(t.Context())
		if err != nil {
			return time.Time{}
		}
		return state.Started
	}
	hosts.Eventually(t, 60*time.Second, func(context.Context) error {
		if !started().After(cut) {
			return fmt.Errorf("the engine on %s has not started again", leads.Name)
		}
		return nil
	})
	leads.Up(t) // waits until it is ready
	if now := leads.EnginePID(t); now != pid {
		t.Errorf("the engine on %s is process %d, and was %d", leads.Name, now, pid)
	}
	checkLeader(t, leads, other)
	pod, err := other.Client(t).CoreV1().Pods("default").Get(t.Context(), "stays", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if status := pod.Status.ContainerStatuses[0]; status.ContainerID != container || status.RestartCount != 0 {
		t.Errorf("the container of a pod on %s was %s, is %s, and was restarted %d times", leads.Name, container, status.ContainerID, status.RestartCount)
	}
	// Lead again, to be lost.
	other.Mainstay(t, "down")
	checkLeader(t, leads, leads)
	other.Up(t)
	other.Kubectl(t, "wait", "petset/move", "--for=jsonpath={.status.readyReplicas}=3", "--timeout=60s")
}

// tryLostLeader: the API answers at the other server, which leads, and the pet of the
// lost one is Ready elsewhere.
func tryLostLeader(t *testing.T, other, lost *hosts.Host) {
	var theirs corev1.Pod
	for _, pod := range movablePets(t, other) {
		if pod.Spec.NodeName == lost.Name {
			theirs = pod
		}
	}
	if theirs.Name == "" {
		t.Fatalf("no pet is on %s", lost.Name)
	}
	cut := time.Now()
	if err := lost.Virtual.PowerOff(); err != nil {
		t.Fatal(err)
	}
	checkLeader(t, other, other)
	t.Logf("%.1f s after the power was cut %s leads", time.Since(cut).Seconds(), other.Name)
	startPod(t, other, "after-power-cut", lost.Name, "NotIn", cut)
	client := other.Client(t)
	hosts.Eventually(t, 60*time.Second, func(ctx context.Context) error {
		pod, err := client.CoreV1().Pods("default").Get(ctx, theirs.Name, metav1.GetOptions{})
		if err == nil && (pod.UID == theirs.UID || readySince(*pod).IsZero() || pod.Status.Phase != corev1.PodRunning) {
			err = fmt.Errorf("%s is not Ready elsewhere: %s on %q", pod.Name, pod.Status.Phase, pod.Spec.NodeName)
		}
		return err
	})
	t.Logf("%.1f s after the power was cut %s is Ready elsewhere", time.Since(cut).Seconds(), theirs.Name)
	t.Logf("%s", other.Mainstay(t, "status"))
}

func movablePets(t *testing.T, from *hosts.Host) map[string]corev1.Pod {
	t.Helper()
	found := map[string]corev1.Pod{}
	for _, pod := range pets(t, from, "move") {
		found[pod.Name] = pod
	}
	return found
}

// startPod has the scheduler find a place for a pod, in or not in a node, tells when it
// runs, and returns its container.
func startPod(t *testing.T, from *hosts.Host, name, node, where string, since time.Time) (container string) {
	t.Helper()
	from.Apply(t, `{apiVersion: v1, kind: Pod, metadata: {name: `+name+`}, spec: {terminationGracePeriodSeconds: 1,
  affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [
    {matchExpressions: [{key: kubernetes.io/hostname, operator: `+where+`, values: [`+node+`]}]}]}}},
  containers: [{name: a, image: `+hosts.BusyboxImage+`, command: [sleep, "1000000"]}]}}`)
	client := from.Client(t)
	hosts.Eventually(t, 60*time.Second, func(ctx context.Context) error {
		pod, err := client.CoreV1().Pods("default").Get(ctx, name, metav1.GetOptions{})
		if err == nil && pod.Status.Phase != corev1.PodRunning {
			err = fmt.Errorf("pod %s on %q is %s", name, pod.Spec.NodeName, pod.Status.Phase)
		}
		if err == nil {
			container = pod.Status.ContainerStatuses[0].ContainerID
		}
		return err
	})
	t.Logf("%.1f s later the pod %s runs", time.Since(since).Seconds(), name)
	return container
}
