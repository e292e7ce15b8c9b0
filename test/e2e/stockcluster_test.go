package e2e

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"go.etcd.io/etcd/server/v3/embed"
	authentication "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/statefulset"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// stockCluster is a Kubernetes that is not ours: upstream's kube-apiserver, a
// process of its own, and upstream's controller of StatefulSets. Access is by
// roles. Nodes are played.
type stockCluster struct {
	directory string
	host      string
	tokens    string // of users beside the administrator, a line for each
	client    kubernetes.Interface
	nodes     *playedNodes
}

const stockAdministrator = "administrators-token"

func startStockCluster(t *testing.T) *stockCluster {
	t.Helper()
	klog.SetLogger(logr.Discard()) // upstream's parts in this process have nothing to say
	c := &stockCluster{directory: t.TempDir()}
	makeCertificates(t, c.directory)
	port := freePort(t)
	c.startAPIServer(t, exec.Command, "https://127.0.0.1:"+port,
		"--bind-address=127.0.0.1", "--secure-port="+port, "--etcd-servers="+startEmbeddedEtcd(t, c.directory),
		"--authorization-mode=RBAC",
		"--enable-admission-plugins=OwnerReferencesPermissionEnforcement") // the strictest about what a controller may do
	client := c.client
	// Pods run as this account, which another of upstream's controllers makes.
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
	if _, err := client.CoreV1().ServiceAccounts("default").Create(t.Context(), account, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	c.nodes = playNodes(t, client)
	c.startStatefulSets(t)
	return c
}

func (c *stockCluster) file(name string) string { return filepath.Join(c.directory, name) }

// startAPIServer returns when it is ready to be reached at host.
func (c *stockCluster) startAPIServer(t *testing.T, run runner, host string, arguments ...string) {
	t.Helper()
	c.host = host
	for name, content := range map[string]string{
		"tokens":      stockAdministrator + ",administrator,1,system:masters\n" + c.tokens,
		"audit.yaml":  "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata, omitStages: [RequestReceived]}]\n",
		"audit.jsonl": "",
	} {
		if err := os.WriteFile(c.file(name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.startUpstream(t, run, "kube-apiserver", append(arguments,
		"--tls-cert-file="+c.file("server.crt"), "--tls-private-key-file="+c.file("server.key"),
		"--token-auth-file="+c.file("tokens"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+c.file("server.key"), "--service-account-signing-key-file="+c.file("server.key"),
		"--service-cluster-ip-range=10.0.0.0/24", "--endpoint-reconciler-type=none",
		"--audit-policy-file="+c.file("audit.yaml"), "--audit-log-path="+c.file("audit.jsonl"), "--audit-log-mode=blocking")...)
	access := &rest.Config{Host: c.host, BearerToken: stockAdministrator, QPS: -1, TLSClientConfig: rest.TLSClientConfig{CAFile: c.file("ca.crt")}}
	client, err := kubernetes.NewForConfig(access)
	if err != nil {
		t.Fatal(err)
	}
	c.client = client
	hosts.Eventually(t, 30*time.Second, func(ctx context.Context) error {
		return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
}

func startEmbeddedEtcd(t *testing.T, directory string) (endpoint string) {
	t.Helper()
	local := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	config := embed.NewConfig()
	config.Dir = filepath.Join(directory, "etcd")
	config.LogLevel = "fatal"
	config.ListenClientUrls, config.ListenPeerUrls = []url.URL{local}, []url.URL{local}
	config.TickMs, config.ElectionMs = 10, 50
	config.UnsafeNoFsync = true
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(etcd.Close)
	<-etcd.Server.ReadyNotify()
	return "http://" + etcd.Clients[0].Addr().String()
}

// startStatefulSets runs upstream's own controller until the test ends.
func (c *stockCluster) startStatefulSets(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	factory := informers.NewSharedInformerFactory(c.client, 0)
	controller := statefulset.NewStatefulSetController(ctx,
		factory.Core().V1().Pods(), factory.Apps().V1().StatefulSets(),
		factory.Core().V1().PersistentVolumeClaims(), factory.Apps().V1().ControllerRevisions(), c.client)
	factory.Start(ctx.Done())
	done := make(chan struct{})
	go func() { controller.Run(ctx, 1); close(done) }()
	t.Cleanup(func() { cancel(); <-done; factory.Shutdown() })
}

// accountKubeconfig writes a kubeconfig for a service account of kube-system.
func (c *stockCluster) accountKubeconfig(t *testing.T, account string) (file string) {
	t.Helper()
	token, err := c.client.CoreV1().ServiceAccounts("kube-system").CreateToken(t.Context(), account, &authentication.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return c.kubeconfig(t, account, token.Status.Token)
}

func (c *stockCluster) kubeconfig(t *testing.T, name, token string) (file string) {
	t.Helper()
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: c.host, CertificateAuthority: c.file("ca.crt")}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	file = c.file(name + ".kubeconfig")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// kubectl runs it as the administrator.
func (c *stockCluster) kubectl(t *testing.T, input string, arguments ...string) string {
	t.Helper()
	command := c.kubectlCommand(t, arguments...)
	command.Stdin = strings.NewReader(input)
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(arguments, " "), err, output)
	}
	return strings.TrimSpace(string(output))
}

func (c *stockCluster) kubectlCommand(t *testing.T, arguments ...string) *exec.Cmd {
	t.Helper()
	command := exec.Command(os.Getenv("MAINSTAY_BINARY"), append([]string{"kubectl"}, arguments...)...)
	command.Env = append(os.Environ(), "KUBECONFIG="+c.kubeconfig(t, "administrator", stockAdministrator), "KUBECACHEDIR="+c.file("kubectl-cache"))
	return command
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return fmt.Sprint(listener.Addr().(*net.TCPAddr).Port)
}

func showEnd(t *testing.T, file string) {
	content, _ := os.ReadFile(file)
	lines := strings.Split(string(content), "\n")
	t.Logf("the end of %s:\n%s", filepath.Base(file), strings.Join(lines[max(0, len(lines)-25):], "\n"))
}
