package e2e

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// TestExternal starts Mainstay on an etcd cluster and a containerd that somebody
// else runs, and looks that both are left as they were.
func TestExternal(t *testing.T) {
	h := hosts.New(t, 5)
	etcd := startEtcd(t, h, 23790, 23792, 23794)
	runtime := startContainerd(t, h)
	runs := runtime.runContainer(t)
	images := runtime.ctr(t, "--namespace", "k8s.io", "images", "list", "--quiet")
	h.IP = addAddress(t, h)
	fresh := h.Stock(t)
	before := takeStock(t)
	choices := slices.Concat([]string{"--node-ip", h.IP.String()}, etcd.flags(), runtime.flags())

	t.Run("what cannot work is refused", func(t *testing.T) { tryExternalRefusals(t, h, etcd, runtime) })
	h.Up(t, choices...)
	t.Run("a set runs there", func(t *testing.T) { tryExternalSet(t, h, etcd, runtime) })
	t.Run("one member of etcd is lost", func(t *testing.T) {
		etcd.kill(1)
		client := h.Client(t)
		hosts.Eventually(t, 30*time.Second, func(ctx context.Context) error { // what it led is lost until there is another leader
			_, err := client.CoreV1().ConfigMaps("default").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}, metav1.CreateOptions{})
			return err
		})
	})
	t.Run("a plain up after a kill finds everything again", func(t *testing.T) { tryExternalKill(t, h) })
	t.Run("down leaves both as they are", func(t *testing.T) { tryExternalDown(t, h, etcd, runtime, fresh) })
	if err := runs(); err != nil {
		t.Error(err)
	}
	t.Run("purge leaves what is not ours", func(t *testing.T) {
		h.KillEngine(t)
		remove := runtime.runPod(t, "bystander")
		defer remove()
		output := h.Mainstay(t, "down", "--purge", "--yes")
		for _, word := range []string{"etcdctl del --prefix /registry/", runtime.endpoint()} {
			if !strings.Contains(output, word) {
				t.Errorf("it does not say %q:\n%s", word, output)
			}
		}
		if pods := runtime.pods(t); !slices.Equal(pods, []string{"bystander"}) {
			t.Errorf("the runtime's pods are %v, not the bystander alone", pods)
		}
		if count := etcd.count(t); count == 0 {
			t.Error("the data in etcd is gone")
		}
		if err := runs(); err != nil {
			t.Error(err)
		}
		for _, image := range strings.Fields(images) {
			if now := runtime.ctr(t, "--namespace", "k8s.io", "images", "list", "--quiet"); !strings.Contains(now, image) {
				t.Errorf("image %s is gone", image)
			}
		}
		checkRefused(t, h, append(etcd.flags(), runtime.flags()...), "not Mainstay's (somebodys/bystander)", "crictl rmp")
	})
	checkRefused(t, h, etcd.flags(), "state of another Kubernetes", "etcdctl del --prefix /registry/")
	compare(t, "after purging", fresh, h.Stock(t))
	compareMachine(t, before, h)
}

// addAddress gives the host another address than that of its default route.
func addAddress(t *testing.T, h *hosts.Host) net.IP {
	t.Helper()
	another := slices.Clone(h.IP.To4())
	another[3]++
	h.Output(t, "ip", "address", "add", another.String()+"/24", "dev", "eth0")
	return another
}

// checkRefused fails the test unless `up` refuses in one line, in good time.
func checkRefused(t *testing.T, h *hosts.Host, arguments []string, says ...string) {
	t.Helper()
	began := time.Now()
	output, err := h.Command(append([]string{"up", "--node-name", h.Name}, arguments...)...).CombinedOutput()
	text := strings.TrimSpace(string(output))
	if err == nil {
		t.Fatalf("it started:\n%s", text)
	}
	if strings.Contains(text, "\n") {
		t.Errorf("not one line:\n%s", text)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %s to say: %s", took, text)
	}
	for _, word := range says {
		if !strings.Contains(text, word) {
			t.Errorf("it does not say %q: %s", word, text)
		}
	}
	t.Logf("after %.1f s: %s", time.Since(began).Seconds(), text)
}

func tryExternalRefusals(t *testing.T, h *hosts.Host, etcd *etcdCluster, runtime *somebodysContainerd) {
	replaced := func(old, replacement string) []string {
		return strings.Split(strings.ReplaceAll(strings.Join(etcd.flags(), " "), old, replacement), " ")
	}
	stranger := t.TempDir()
	makeCertificates(t, stranger)
	client := func(name string) string { return filepath.Join(etcd.directory, "client."+name) }
	for name, refusal := range map[string]struct{ arguments, says []string }{
		"etcd is not there":               {replaced("2379", "2399"), []string{"etcd does not answer", "connection refused", "correct --etcd-servers"}},
		"etcd is of another authority":    {replaced(etcd.directory+"/ca", stranger+"/ca"), []string{"etcd does not answer", "unknown authority"}},
		"etcd does not know us":           {replaced(etcd.directory+"/client", stranger+"/client"), []string{"etcd does not answer", "tls: "}},
		"etcd without TLS":                {replaced("https://", "http://"), []string{"https://HOST:PORT"}},
		"a certificate is not there":      {replaced("client.crt", "none.crt"), []string{"none.crt", "no such file"}},
		"a key of another certificate":    {replaced(client("key"), stranger+"/client.key"), []string{"private key does not match"}},
		"a flag of etcd's is missing":     {etcd.flags()[:4], []string{"etcd-certfile", "etcd-keyfile"}},
		"no runtime":                      {[]string{"--container-runtime-endpoint", "unix:///no/such.sock"}, []string{"no container runtime answers", "start it"}},
		"a runtime's path alone":          {[]string{"--container-runtime-endpoint", runtime.socket()}, []string{"unix:///PATH"}},
		"an address of another machine":   {[]string{"--node-ip", "192.0.2.1"}, []string{"no address 192.0.2.1", "--node-ip"}},
		"an address that nobody reaches":  {[]string{"--node-ip", "127.0.0.1"}, []string{"no other machine"}},
		"a log file for nothing":          {[]string{"--log-file", "x"}, []string{"--foreground"}},
		"a name that Kubernetes does not": {[]string{"--node-name", "My_Machine"}, []string{"My_Machine", "lower case"}},
	} {
		t.Run(name, func(t *testing.T) { checkRefused(t, h, refusal.arguments, refusal.says...) })
	}
	t.Run("a runtime that cannot start pods", func(t *testing.T) {
		for _, wrong := range []struct{ word, replacement, says string }{
			{"DISABLED", `"io.containerd.grpc.v1.cri"`, "disabled_plugins"},
			{"SYSTEMD", "true", "SystemdCgroup = false"},
			{"PLUGINS", "/no/plugins", "bin_dir"},
			{"mainstay.dev/pause:1", "127.0.0.1:1/pause:1", `sandbox_image = "mainstay.dev/pause:1"`},
		} {
			unfit := startContainerd(t, h, wrong.word, wrong.replacement)
			checkRefused(t, h, unfit.flags(), wrong.says)
		}
	})
	if _, err := os.Stat(h.DataDir); err == nil {
		t.Error("a refusal left the data directory")
	}
	if count := etcd.count(t); count != 0 {
		t.Errorf("a refusal left %d keys in etcd", count)
	}
}

func tryExternalSet(t *testing.T, h *hosts.Host, etcd *etcdCluster, runtime *somebodysContainerd) {
	h.ImportBusybox(t)
	if images := runtime.ctr(t, "--namespace", "k8s.io", "images", "list", "--quiet"); !strings.Contains(images, hosts.BusyboxImage) {
		t.Errorf("the runtime lacks what was imported: %s", images)
	}
	h.Apply(t, webSet)
	waitReady(t, h, "web", 3)
	for _, pod := range pets(t, h, "web") {
		if !strings.HasPrefix(pod.Status.PodIP, "10.42.0.") {
			t.Errorf("%s has the address %s: it is not in our network", pod.Name, pod.Status.PodIP)
		}
		if pod.Status.HostIP != h.IP.String() {
			t.Errorf("%s says that its node is at %s, not at %s", pod.Name, pod.Status.HostIP, h.IP)
		}
	}
	if pods := runtime.pods(t); len(pods) != 3 {
		t.Errorf("the runtime runs %v", pods)
	}
	if answer := ask(t, h, "_http._tcp.web.default.svc.cluster.local", dns.TypeSRV).Answer; len(answer) != 3 {
		t.Errorf("SRV names %d pets, not 3: %v", len(answer), answer)
	}
	status := h.Mainstay(t, "status")
	for _, word := range []string{"3 of 3 Ready", "Nothing is wrong", h.IP.String()} {
		if !strings.Contains(status, word) {
			t.Errorf("status does not say %q:\n%s", word, status)
		}
	}
	if count := etcd.count(t); count < 100 {
		t.Errorf("etcd holds %d keys of Kubernetes; the state is elsewhere", count)
	}
	if _, err := os.Stat(filepath.Join(h.DataDir, "etcd")); err == nil {
		t.Error("there is an etcd of our own, too")
	}
	checkRefused(t, h, []string{"--container-runtime-endpoint", ""}, "runs already", "mainstay down")
}

func tryExternalKill(t *testing.T, h *hosts.Host) {
	pods := pets(t, h, "web")
	h.KillEngine(t)
	checkRefused(t, h, []string{"--container-runtime-endpoint", ""}, "pods run in the container runtime", "mainstay down")
	h.Up(t)
	waitReady(t, h, "web", 3)
	for i, pod := range pets(t, h, "web") {
		if pod.UID != pods[i].UID || pod.Status.ContainerStatuses[0].RestartCount != 0 {
			t.Errorf("%s was restarted %d times (or is another pod)", pod.Name, pod.Status.ContainerStatuses[0].RestartCount)
		}
	}
	h.Kubectl(t, "get", "configmap", "kept")
	if address := h.Kubectl(t, "get", "nodes", "-o", "jsonpath={.items[*].status.addresses[0].address}"); address != h.IP.String() {
		t.Errorf("the node has the address %s, not the one that was chosen at first", address)
	}
}

func tryExternalDown(t *testing.T, h *hosts.Host, etcd *etcdCluster, runtime *somebodysContainerd, fresh hosts.Stock) {
	file := filepath.Join(t.TempDir(), "state")
	h.Mainstay(t, "snapshot", "save", file)
	etcd.kill(2) // and with it the majority: etcd answers no more
	if stopped, want := downInOrder(t, h), []string{"web-2", "web-1", "web-0"}; !slices.Equal(stopped, want) {
		t.Errorf("without etcd the pods were stopped in the order %v, not %v", stopped, want)
	}
	etcd.start(t, 2)
	etcd.count(t)
	compare(t, "after down, but for the data", fresh, h.Stock(t))
	if pods := runtime.pods(t); len(pods) != 0 {
		t.Errorf("pods are left in the runtime: %v", pods)
	}
	if networks := runtime.networks(t); !slices.Equal(networks, []string{"10-somebodys.conflist"}) {
		t.Errorf("the runtime has the networks %v", networks)
	}

	output, err := h.Command("snapshot", "restore", file).CombinedOutput()
	if err == nil || !strings.Contains(string(output), "etcdutl snapshot restore") {
		t.Errorf("restoring into somebody's etcd: %v\n%s", err, output)
	}
	h.Mainstay(t, "snapshot", "save", file) // it needs no Mainstay, since etcd runs

	another := startEtcd(t, h, 23890)
	checkRefused(t, h, another.flags(), "holds no state", "has been in use")
	elsewhere := append(etcd.flags(), "--data-dir", filepath.Join(filepath.Dir(h.DataDir), "another"))
	checkRefused(t, h, elsewhere, "state of another Kubernetes")
	ofOurOwn := []string{"--etcd-servers=", "--etcd-cafile=", "--etcd-certfile=", "--etcd-keyfile="}
	checkRefused(t, h, ofOurOwn, "lies in the etcd cluster at", "--data-dir")

	h.Up(t, "--wait")
	waitReady(t, h, "web", 3)
	h.Kubectl(t, "get", "configmap", "kept")
}

// networks lists the files in the runtime's network directory.
func (c *somebodysContainerd) networks(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(c.directory, "cni"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}
