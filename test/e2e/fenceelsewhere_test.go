package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	authentication "k8s.io/api/authentication/v1"
	coordination "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/mainstay-io/mainstay/internal/fence"
	"github.com/mainstay-io/mainstay/internal/fence/agent"
	"github.com/mainstay-io/mainstay/test/hosts"
)

// fencedMachines have keepers and judges as `mainstay fence manifests` installs them.
// These are processes of the machines, with the tokens that their pods' processes have.
type fencedMachines struct {
	*stockMachines
	beats string // what the pets write
}

const fenceImage = "mainstay.dev/test/nowhere:1" // no machine has it: pods alone get identities

// TestFenceElsewhere loses machines of a Kubernetes that is not ours: a pet of upstream's
// StatefulSet is Ready on another one soon after, and never runs on both.
func TestFenceElsewhere(t *testing.T) {
	began := time.Now()
	m := &fencedMachines{startStockMachines(t, 17, 3), filepath.Join(t.TempDir(), "beats")}
	t.Logf("the Kubernetes that is not ours took %.1f s", time.Since(began).Seconds())
	m.install(t)
	for _, h := range m.network.Hosts {
		m.startKeeper(t, h)
	}
	m.startJudge(t, m.network.Hosts[1])
	if err := os.Mkdir(m.beats, 0o777); err != nil {
		t.Fatal(err)
	}
	m.kubectl(t, fmt.Sprintf(fencedSet, hosts.BusyboxImage, m.network.Hosts[0].Name, m.beats), "apply", "-f", "-")
	m.kubectl(t, "", "rollout", "status", "statefulset/db", "--timeout=40s")

	m.lose(t, "its network was cut", func(lost *hosts.Host) error { return m.network.Isolate(lost.Virtual) })
	if err := m.network.MendAll(); err != nil {
		t.Fatal(err)
	}
	lost := m.lose(t, "its kubelet was killed", func(lost *hosts.Host) error { return m.kubelets[lost].Process.Kill() })
	m.startKubelet(t, lost)
	m.lose(t, "its power was cut", func(lost *hosts.Host) error { return lost.Virtual.PowerOff() })
	m.tryBeyond(t)
	m.checkRights(t)
	m.kubectl(t, examples(t, "failover-elsewhere.md", "yaml")[0], "apply", "-f", "-")
	m.kubectl(t, "", "wait", "pod", "--selector=app=ledger,mainstay.dev/failover=Fenced", "--for=create", "--timeout=20s")
	t.Logf("all took %.1f s", time.Since(began).Seconds())
}

// tryBeyond has keeper and judge try what is not theirs.
func (m *fencedMachines) tryBeyond(t *testing.T) {
	t.Helper()
	other := m.network.Hosts[2].Name
	client := func(name string) kubernetes.Interface {
		access, err := clientcmd.BuildConfigFromFlags("", m.file(name+".kubeconfig"))
		if err != nil {
			t.Fatal(err)
		}
		client, err := kubernetes.NewForConfig(access)
		if err != nil {
			t.Fatal(err)
		}
		return client
	}
	keeper, judge := client("keeper-"+m.network.Hosts[0].Name), client("mainstay-fence-judge")
	pods, err := m.client.CoreV1().Pods("kube-system").List(t.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName=" + other})
	if err != nil || len(pods.Items) == 0 {
		t.Fatalf("the pods of %s: %v", other, err)
	}
	lease, err := keeper.CoordinationV1().Leases(agent.Namespace).Get(t.Context(), other, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	status := []byte(`{"status":{"conditions":[{"type":"mainstay.dev/Test","status":"True"}]}}`)
	for what, try := range map[string]func() error{
		"a keeper writes another node's lease": func() error {
			_, err := keeper.CoordinationV1().Leases(agent.Namespace).Update(t.Context(), lease, metav1.UpdateOptions{})
			return err
		},
		"a keeper makes a lease of no node's": func() error {
			_, err := keeper.CoordinationV1().Leases(agent.Namespace).Create(t.Context(), &coordination.Lease{ObjectMeta: metav1.ObjectMeta{Name: "another"}}, metav1.CreateOptions{})
			return err
		},
		"a keeper writes another node's status": func() error {
			_, err := keeper.CoreV1().Nodes().Patch(t.Context(), other, types.StrategicMergePatchType, status, metav1.PatchOptions{}, "status")
			return err
		},
		"a keeper claims another node's pod": func() error {
			_, err := keeper.CoreV1().Pods("kube-system").Patch(t.Context(), pods.Items[0].Name, types.StrategicMergePatchType, status, metav1.PatchOptions{}, "status")
			return err
		},
		"the judge deletes what is no pet": func() error {
			return judge.CoreV1().Pods("kube-system").Delete(t.Context(), pods.Items[0].Name, metav1.DeleteOptions{})
		},
		"a pet looks like a keeper": func() error {
			pet := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "pet", Labels: map[string]string{"mainstay.dev/failover": "Fenced"}}}
			pet.Spec.Containers = []corev1.Container{{Name: "main", Image: hosts.BusyboxImage}}
			pet.Spec.Volumes = []corev1.Volume{{Name: "mainstay-fence-keeper", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
			_, err := m.client.CoreV1().Pods("default").Create(t.Context(), pet, metav1.CreateOptions{})
			return err
		},
		"a pod becomes a pet": func() error {
			_, err := m.client.CoreV1().Pods("kube-system").Patch(t.Context(), pods.Items[0].Name, types.MergePatchType,
				[]byte(`{"metadata":{"labels":{"mainstay.dev/failover":"Fenced"}}}`), metav1.PatchOptions{})
			return err
		},
	} {
		if err := try(); err == nil || !strings.Contains(err.Error(), "denied request") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// checkRights: each account has what its process uses, and no more.
func (m *fencedMachines) checkRights(t *testing.T) {
	t.Helper()
	for account, unseen := range map[string]map[string]string{
		"mainstay-fence-keeper": {},
		"mainstay-fence-judge": {
			"approve signers.certificates.k8s.io":                 "checked when a request is approved",
			"sign signers.certificates.k8s.io":                    "checked when a certificate is given",
			"list certificatesigningrequests.certificates.k8s.io": "of an API server that does not stream lists",
			"patch events.events.k8s.io":                          "when the same is told again",
			"get persistentvolumes":                               "of pets with volumes",
			"delete volumeattachments.storage.k8s.io":             "the same",
		},
	} {
		checkLeastRights(t, m.client, account, requestsOf(t, m.file("audit.jsonl"), "system:serviceaccount:kube-system:"+account), unseen)
	}
}

// fencedSet has a pet that says all the time that it runs, on any node but the first. It
// has its node's network, since pods of different nodes do not reach each other here.
const fencedSet = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db, mainstay.dev/failover: Fenced}}
    spec:
      terminationGracePeriodSeconds: 0
      hostNetwork: true
      containers:
      - name: main
        image: %s
        command: [sh, -c, "while :; do echo $UID_OF_POD >>/beats/all; sleep 0.05; done"]
        env: [{name: UID_OF_POD, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}]
        volumeMounts: [{name: beats, mountPath: /beats}]
      affinity:
        nodeAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            nodeSelectorTerms:
            - matchExpressions: [{key: kubernetes.io/hostname, operator: NotIn, values: [%s]}]
      volumes: [{name: beats, hostPath: {path: %s, type: Directory}}]
`

// install applies the manifests. The pods cannot run, but are there, each on its node.
func (m *fencedMachines) install(t *testing.T) {
	t.Helper()
	manifests, err := exec.Command(os.Getenv("MAINSTAY_BINARY"), "fence", "manifests", "--image", fenceImage).Output()
	if err != nil {
		t.Fatal(err)
	}
	m.kubectl(t, string(manifests), "apply", "-f", "-")
	// Once more, as in an update: what a judge has filled in stays.
	m.startJudge(t, m.network.Hosts[0])
	m.waitAuthority(t)
	before := m.authority(t)
	m.kubectl(t, string(manifests), "apply", "-f", "-")
	if m.authority(t) != before {
		t.Error("to apply the manifests again has changed the fence's authority")
	}
}

func (m *fencedMachines) authority(t *testing.T) string {
	t.Helper()
	return m.kubectl(t, "", "-n", "kube-system", "get", "secret/mainstay-fence", "-o", "jsonpath={.data}")
}

func (m *fencedMachines) waitAuthority(t *testing.T) {
	t.Helper()
	m.kubectl(t, "", "-n", "kube-system", "wait", "secret/mainstay-fence", "--for=jsonpath={.data.tls\\.key}", "--timeout=20s")
}

// startKeeper gives it the token of the DaemonSet's pod on that machine.
func (m *fencedMachines) startKeeper(t *testing.T, h *hosts.Host) {
	t.Helper()
	var pod corev1.Pod
	hosts.Eventually(t, 20*time.Second, func(ctx context.Context) error {
		pods, err := m.client.CoreV1().Pods("kube-system").List(ctx, metav1.ListOptions{
			LabelSelector: "app.kubernetes.io/name=mainstay-fence-keeper", FieldSelector: "spec.nodeName=" + h.Name,
		})
		if err != nil {
			return err
		}
		if len(pods.Items) != 1 {
			return fmt.Errorf("%s has %d pods of the keeper", h.Name, len(pods.Items))
		}
		pod = pods.Items[0]
		return nil
	})
	token, err := m.client.CoreV1().ServiceAccounts("kube-system").CreateToken(t.Context(), "mainstay-fence-keeper", &authentication.TokenRequest{
		Spec: authentication.TokenRequestSpec{BoundObjectRef: &authentication.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m.startFence(t, h, "keeper", "--kubeconfig", m.kubeconfig(t, "keeper-"+h.Name, token.Status.Token), "-v=2",
		"--node-name", h.Name, "--node-ip", h.IP.String(), "--state-dir", filepath.Join(h.DataDir, "fence"), "--kubelet-dir", filepath.Join(h.DataDir, "kubelet"))
}

func (m *fencedMachines) startJudge(t *testing.T, h *hosts.Host) {
	t.Helper()
	m.startFence(t, h, "judge", "--kubeconfig", m.accountKubeconfig(t, "mainstay-fence-judge"), "-v=2")
}

// startFence starts a part of the fence, which ends with its machine.
func (m *fencedMachines) startFence(t *testing.T, h *hosts.Host, part string, arguments ...string) {
	t.Helper()
	log, err := os.CreateTemp(m.directory, part+"-"+h.Name+"-*.log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	command := h.Command(append([]string{"fence", part}, arguments...)...)
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if content, _ := os.ReadFile(log.Name()); strings.Contains(string(content), "forbidden") {
			t.Errorf("on %s, the %s was refused something", h.Name, part)
		}
		if t.Failed() {
			showEnd(t, log.Name())
		}
	})
}

// waitMember waits until a machine holds its lease, and all know of all.
func (m *fencedMachines) waitMember(t *testing.T, h *hosts.Host) {
	t.Helper()
	hosts.Eventually(t, 40*time.Second, func(ctx context.Context) error {
		object, err := m.client.CoordinationV1().Leases(agent.Namespace).Get(ctx, h.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		lease, err := fence.FromObject(object)
		if err == nil && (lease.State != fence.Open || len(lease.Members) != len(m.network.Hosts)) {
			err = fmt.Errorf("the lease of %s is %+v", h.Name, lease.Record)
		}
		return err
	})
}

// lose loses the machine on which the pet runs, when all hold their leases, and returns
// it when the pet is Ready elsewhere.
func (m *fencedMachines) lose(t *testing.T, how string, do func(*hosts.Host) error) (lost *hosts.Host) {
	t.Helper()
	for _, h := range m.network.Hosts {
		m.waitMember(t, h)
		h.WaitReady(t, m.client)
	}
	pet := func(ctx context.Context) *corev1.Pod {
		pod, err := m.client.CoreV1().Pods("default").Get(ctx, "db-0", metav1.GetOptions{})
		if err != nil {
			return &corev1.Pod{}
		}
		return pod
	}
	before := pet(t.Context())
	lost = m.host(t, before.Spec.NodeName)
	hosts.Eventually(t, 10*time.Second, func(context.Context) error {
		if beats := m.beatsOf(t); len(beats) == 0 || beats[len(beats)-1] != string(before.UID) {
			return errors.New("the pet does not say that it runs")
		}
		return nil
	})
	at := time.Now()
	if err := do(lost); err != nil {
		t.Fatal(err)
	}
	hosts.Eventually(t, 40*time.Second, func(ctx context.Context) error {
		now := pet(ctx)
		if now.UID == before.UID || now.UID == "" {
			return fmt.Errorf("the pet is still on %s, after %s", lost.Name, how)
		}
		for _, c := range now.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue && now.Spec.NodeName != lost.Name {
				return nil
			}
		}
		return fmt.Errorf("the new pet is on node %q, and not Ready", now.Spec.NodeName)
	})
	took := time.Since(at)
	t.Logf("%.1f s after %s the pet is Ready elsewhere", took.Seconds(), how)
	if took > 20*time.Second { // for slow machines
		t.Error("that is too long")
	}
	m.checkNeverTwo(t)
	return lost
}

func (m *fencedMachines) beatsOf(t *testing.T) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(m.beats, "all"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Fields(string(content))
}

// checkNeverTwo fails the test when a pet has said that it runs after its successor had.
func (m *fencedMachines) checkNeverTwo(t *testing.T) {
	t.Helper()
	var lives []string
	for _, uid := range m.beatsOf(t) {
		if len(lives) > 0 && lives[len(lives)-1] == uid {
			continue
		}
		if slices.Contains(lives, uid) {
			t.Fatalf("pet %s ran on after another one had begun: %v", uid, lives)
		}
		lives = append(lives, uid)
	}
}
