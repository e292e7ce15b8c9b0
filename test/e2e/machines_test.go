package e2e

import (
	"context"
	"crypto/x509/pkix"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	certificates "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/mainstay-io/mainstay/internal/engine"
	"github.com/mainstay-io/mainstay/internal/engine/join"
	"github.com/mainstay-io/mainstay/test/hosts"
	"github.com/mainstay-io/mainstay/test/hosts/network"
)

// spreadSet is webSet with a pet on each machine, and a Service with an address of
// its own in front of it.
var spreadSet = strings.Replace(webSet, "      terminationGracePeriodSeconds: 1\n", `      terminationGracePeriodSeconds: 1
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: web}}}
`, 1) + `---
apiVersion: v1
kind: Service
metadata: {name: front}
spec: {selector: {app: web}, ports: [{port: 80}]}
`

// TestMachines makes a cluster of three machines, and takes it apart again. Two are on
// one network; a router that knows nothing of pods lies between them and the third.
func TestMachines(t *testing.T) {
	n, far := hosts.NewNetwork(t, 13, network.Options{Hosts: 2}), hosts.New(t, 13)
	hosts.Route(t)
	server, near := n.Hosts[0], n.Hosts[1]
	all := []*hosts.Host{server, near, far}
	fresh := map[*hosts.Host]hosts.Stock{near: near.Stock(t), far: far.Stock(t)}
	server.Up(t)
	before := takeStock(t)
	token := server.Token(t)
	t.Run("what keeps a machine from joining", func(t *testing.T) { tryJoinRefusals(t, server, near, token) })
	together(all[1:], func(h *hosts.Host) { h.Join(t, token) })
	if t.Failed() {
		t.FailNow()
	}
	together(all, func(h *hosts.Host) { h.ImportBusybox(t) })
	server.Apply(t, spreadSet)
	waitReady(t, server, "web", 3)

	t.Run("pods, Services and names on every node", func(t *testing.T) { tryAcrossMachines(t, server, all) })
	t.Run("what a node says of itself", func(t *testing.T) { tryNodeCommands(t, server, near) })
	t.Run("what nodes and tokens may do", func(t *testing.T) { tryNodeRights(t, server, near, token) })
	t.Run("a killed node comes back without its token", func(t *testing.T) { tryKilledNode(t, server, near) })
	t.Run("a drain moves pets one by one", func(t *testing.T) { tryDrain(t, server, near) })
	t.Run("a machine leaves", func(t *testing.T) { tryLeave(t, server, far) })
	t.Run("another leaves though the server is gone", func(t *testing.T) { tryLeaveAlone(t, server, near) })
	for h, stock := range fresh {
		compare(t, "on "+h.Name, stock, h.Stock(t))
		compareMachine(t, before, h)
	}
}

func together(all []*hosts.Host, do func(*hosts.Host)) {
	var each sync.WaitGroup
	for _, h := range all {
		each.Go(func() { do(h) })
	}
	each.Wait()
}

// tryJoinRefusals: each in one line that tells what to do, and nothing left behind.
func tryJoinRefusals(t *testing.T, server, h *hosts.Host, token []string) {
	address, word := token[2], token[4]
	otherPin := word[:len(word)-4] + "0000"
	deleted := server.Token(t)[4]
	server.Mainstay(t, "token", "delete", deleted[:6])
	if list := server.Mainstay(t, "token", "list"); strings.Contains(list, deleted[:6]) || !strings.Contains(list, word[:6]) || strings.Contains(list, word[7:]) {
		t.Errorf("token list shows:\n%s", list)
	}
	for _, refusal := range []struct {
		name      string
		arguments []string
		says      []string
	}{
		{"no token", []string{"join", "--server", address, "--token", "secret"}, []string{"no token", "mainstay token create"}},
		{"another authority", []string{"join", "--server", address, "--token", otherPin}, []string{"not the server that this token is for"}},
		{"a token that is gone", []string{"join", "--server", address, "--token", deleted}, []string{"does not know the token " + deleted[:6], "mainstay token create"}},
		{"no server there", []string{"join", "--server", "https://" + h.IP.String() + ":6443", "--token", word}, []string{"no server listens"}},
		{"a living node's name", []string{"join", "--server", address, "--token", word, "--node-name", server.Name}, []string{server.Name, "Ready", "--node-name"}},
	} {
		output, err := h.Command(refusal.arguments...).CombinedOutput()
		text := strings.TrimSpace(string(output))
		last := text[strings.LastIndex(text, "\n")+1:]
		for _, word := range append(refusal.says, "mainstay: ") {
			if err == nil || !strings.Contains(last, word) {
				t.Errorf("%s: %v, does not say %q:\n%s", refusal.name, err, word, text)
			}
		}
		if choices, err := engine.RememberedChoices(h.DataDir); err != nil || choices.Joined() {
			t.Errorf("%s: remembered: %+v, %v", refusal.name, choices, err)
		}
	}
	output, err := server.Command(token...).CombinedOutput()
	if err == nil || !strings.Contains(string(output), "runs on this machine already") {
		t.Errorf("joining where an engine runs: %v\n%s", err, output)
	}
}

// tryAcrossMachines: every pet reaches every pet and the Service, by address and by
// name, with packets as large as they come.
func tryAcrossMachines(t *testing.T, server *hosts.Host, all []*hosts.Host) {
	const large = 300000
	// Upstream's controller of EndpointSlices looks again after a second if what it had
	// read was out of date.
	for _, h := range all {
		hosts.Eventually(t, 10*time.Second, func(context.Context) error {
			if answer := ask(t, h, "_http._tcp.web.default.svc.cluster.local", dns.TypeSRV).Answer; len(answer) != 3 {
				return fmt.Errorf("on %s the set has these SRV records: %v", h.Name, answer)
			}
			return nil
		})
	}
	set, seen := pets(t, server, "web"), map[string]bool{}
	addresses := []string{"front.default.svc.cluster.local"}
	for _, pet := range set {
		seen[pet.Spec.NodeName] = true
		addresses = append(addresses, pet.Status.PodIP, pet.Name+".web.default.svc.cluster.local")
		server.Kubectl(t, "exec", pet.Name, "--", "sh", "-c", fmt.Sprintf("head -c %d /dev/zero > /data/large", large))
	}
	get := func(path string) string { return "timeout 5 wget -qO- http://$to/" + path }
	questions := "for to in " + strings.Join(addresses, " ") + "; do echo $to $(" + get("") + "|head -n1) $(" + get("large") + "|wc -c); done"
	for _, from := range set {
		heard := server.Kubectl(t, "exec", from.Name, "--", "sh", "-c", questions)
		for _, to := range set {
			for _, address := range []string{to.Status.PodIP, to.Name + ".web.default.svc.cluster.local"} {
				if want := fmt.Sprintf("%s %s %d\n", address, to.Name, large); !strings.Contains(heard, want) {
					t.Errorf("%s on %s did not hear %q from %s:\n%s", from.Name, from.Spec.NodeName, want, to.Spec.NodeName, heard)
				}
			}
		}
		if !strings.HasPrefix(heard, addresses[0]+" web-") || strings.Count(heard, fmt.Sprint(" ", large, "\n")) != len(addresses) {
			t.Errorf("%s on %s heard:\n%s", from.Name, from.Spec.NodeName, heard)
		}
	}
	if len(seen) != len(all) {
		t.Errorf("the pets are on %v", seen)
	}
	routes := server.Output(t, "ip", "route", "show", "proto", "142")
	if strings.Count(routes, "\n") != 1 || !strings.Contains(routes, " via "+all[1].IP.String()+" dev ") || !strings.Contains(routes, " dev vxlan-") {
		t.Errorf("not a route to the neighbour and a tunnel to the other:\n%s", routes)
	}
}

func tryNodeCommands(t *testing.T, server, h *hosts.Host) {
	if status := h.Mainstay(t, "status"); !strings.Contains(status, h.Name+" Ready") || !strings.Contains(status, "1 on this node, 1 of them Ready") {
		t.Errorf("status on a node:\n%s", status)
	}
	if output, err := h.Command("kubectl", "get", "nodes").CombinedOutput(); err == nil || !strings.Contains(string(output), server.IP.String()) {
		t.Errorf("kubectl on a node: %v\n%s", err, output)
	}
	if output := h.Mainstay(t, "up"); !strings.Contains(output, "runs already") {
		t.Errorf("up on a node that runs:\n%s", output)
	}
}

func tryKilledNode(t *testing.T, server, h *hosts.Host) {
	pod := petOn(t, server, h)
	h.KillEngine(t)
	// As after an update that brings a part which needs an identity.
	if err := os.Remove(filepath.Join(h.DataDir, "pki", "network-current.pem")); err != nil {
		t.Fatal(err)
	}
	h.Mainstay(t, "up")
	waitReady(t, server, "web", 3)
	if again := petOn(t, server, h); again.UID != pod.UID || again.Status.ContainerStatuses[0].RestartCount != 0 {
		t.Errorf("%s was restarted, or is another pod", pod.Name)
	}
	h.Mainstay(t, "down")
	h.Mainstay(t, "up")
	waitReady(t, server, "web", 3)
	if again := petOn(t, server, h); again.UID != pod.UID {
		t.Errorf("%s is another pod after down and up", pod.Name)
	}
}

// tryNodeRights: a node may renew its identity and remove itself, and nothing of the
// kind for another; a token is good for joining alone.
func tryNodeRights(t *testing.T, server, h *hosts.Host, token []string) {
	client, name, err := engine.NodeClient(h.DataDir)
	if err != nil || name != h.Name {
		t.Fatal(name, err)
	}
	identity := pkix.Name{CommonName: "system:node:" + h.Name, Organization: []string{"system:nodes"}}
	if _, _, err := join.Request(t.Context(), client, certificates.KubeAPIServerClientKubeletSignerName, identity); err != nil {
		t.Errorf("a node cannot renew its identity: %v", err)
	}
	identity.CommonName = "system:node:" + server.Name
	bearer := rest.AnonymousClientConfig(server.Access(t))
	bearer.BearerToken = token[4][:23]
	stranger := kubernetes.NewForConfigOrDie(bearer)
	if _, err := stranger.Discovery().ServerVersion(); err != nil {
		t.Errorf("the token is good for nothing: %v", err)
	}
	all := metav1.ListOptions{}
	for what, try := range map[string]func() error{
		"a node takes another's identity": func() error {
			_, _, err := join.Request(t.Context(), client, certificates.KubeAPIServerClientKubeletSignerName, identity)
			return err
		},
		"a node removes another": func() error { return client.CoreV1().Nodes().Delete(t.Context(), server.Name, metav1.DeleteOptions{}) },
		"a node reads secrets":   func() error { _, err := client.CoreV1().Secrets("kube-system").List(t.Context(), all); return err },
		"a token reads secrets":  func() error { _, err := stranger.CoreV1().Secrets("kube-system").List(t.Context(), all); return err },
		"a token lists nodes":    func() error { _, err := stranger.CoreV1().Nodes().List(t.Context(), all); return err },
	} {
		if err := try(); !apierrors.IsForbidden(err) {
			t.Errorf("%s, and is not forbidden to: %v", what, err)
		}
	}
	brief, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	petset := pkix.Name{CommonName: "mainstay:petset"}
	if _, _, err := join.Request(brief, client, certificates.KubeAPIServerClientSignerName, petset); err == nil {
		t.Error("a node gets the identity of the controller of pets")
	}
}

func petOn(t *testing.T, server, h *hosts.Host) corev1.Pod {
	t.Helper()
	for _, pod := range pets(t, server, "web") {
		if pod.Spec.NodeName == h.Name {
			return pod
		}
	}
	t.Fatalf("no pet is on %s", h.Name)
	return corev1.Pod{}
}

// roamingSet has pets without volumes, of which a budget lets one be away.
const roamingSet = `
apiVersion: mainstay.dev/v1alpha1
kind: PetSet
metadata: {name: roam}
spec:
  replicas: 3
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: roam}}
  updateStrategy: {rollingUpdate: {order: LeaderLast, leaderSelector: {matchLabels: {role: leader}}}}
  template:
    metadata: {labels: {app: roam}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: roam, image: ` + hosts.BusyboxImage + `, command: [sleep, "1000000"]}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: roam}
spec: {minAvailable: 2, selector: {matchLabels: {app: roam}}}
`

// tryDrain: of pets on one node the leader moves last, though its ordinal is the
// highest; one whose volume is there waits for the node.
func tryDrain(t *testing.T, server, h *hosts.Host) {
	stays := petOn(t, server, h)
	others := []string{server.Name}
	for _, node := range strings.Fields(server.Kubectl(t, "get", "nodes", "-o", "jsonpath={.items[*].metadata.name}")) {
		if node != h.Name && node != server.Name {
			others = append(others, node)
		}
	}
	server.Kubectl(t, append([]string{"cordon"}, others...)...)
	server.Apply(t, roamingSet)
	server.Kubectl(t, "wait", "petset/roam", "--for=jsonpath={.status.readyReplicas}=3", "--timeout=60s")
	server.Kubectl(t, append([]string{"uncordon"}, others...)...)
	server.Kubectl(t, "label", "pod", "roam-2", "role=leader")

	var moved []string
	printed := server.Mainstay(t, "drain", h.Name)
	for line := range strings.Lines(printed) {
		if _, pod, found := strings.Cut(line, "moving pod default/roam-"); found {
			moved = append(moved, pod[:1])
		}
	}
	if got := strings.Join(moved, " "); got != "1 0 2" {
		t.Errorf("the pets moved in the order %q:\n%s", got, printed)
	}
	if !strings.Contains(printed, stays.Name+" waits for the node") {
		t.Errorf("what became of %s?\n%s", stays.Name, printed)
	}
	for _, pod := range pets(t, server, "roam") {
		if pod.Spec.NodeName == h.Name || readySince(pod).IsZero() {
			t.Errorf("%s is on %s", pod.Name, pod.Spec.NodeName)
		}
	}
	if table := server.Mainstay(t, "nodes"); !strings.Contains(table, "Ready, takes no pods") || strings.Count(table, "\n") != len(others)+2 {
		t.Errorf("nodes:\n%s", table)
	}
	server.Kubectl(t, "uncordon", h.Name)
	waitReady(t, server, "web", 3)
}

// tryLeave: a machine that has volumes stays, until they are gone.
func tryLeave(t *testing.T, server, h *hosts.Host) {
	held := "default/data-" + petOn(t, server, h).Name
	if output, err := h.Command("leave").CombinedOutput(); err == nil || !strings.Contains(string(output), held) || !strings.Contains(string(output), "--force") {
		t.Errorf("leave with a volume: %v\n%s", err, output)
	}
	if output, err := server.Command("leave").CombinedOutput(); err == nil || !strings.Contains(string(output), "only server") {
		t.Errorf("leave on the server: %v\n%s", err, output)
	}
	server.Kubectl(t, "delete", "statefulset", "web")
	server.Kubectl(t, "delete", "pvc", "--all")
	server.Kubectl(t, "wait", "pv", "--all", "--for=delete", "--timeout=60s")
	h.Mainstay(t, "leave")
	left := server.Kubectl(t, "get", "nodes,pods", "-o", "wide")
	if strings.Contains(left, h.Name) || strings.Count(left, "roam-") != 3 {
		t.Errorf("after the machine has left:\n%s", left)
	}
}

// tryLeaveAlone: what needs the server says so, and there is a way without.
func tryLeaveAlone(t *testing.T, server, h *hosts.Host) {
	server.KillEngine(t)
	if output, err := h.Command("leave").CombinedOutput(); err == nil || !strings.Contains(string(output), "does not answer") || !strings.Contains(string(output), "--force") {
		t.Errorf("leave without a server: %v\n%s", err, output)
	}
	if status := h.Mainstay(t, "status"); !strings.Contains(status, server.IP.String()+":6443") || strings.Contains(status, "Nothing is wrong") {
		t.Errorf("status without a server:\n%s", status)
	}
	if output := h.Mainstay(t, "leave", "--force"); !strings.Contains(output, "the server keeps the Node") {
		t.Errorf("leave --force without a server:\n%s", output)
	}
}
