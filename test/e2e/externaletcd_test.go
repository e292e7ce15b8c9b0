package e2e

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	certutil "k8s.io/client-go/util/cert"
	"k8s.io/klog/v2"
	kubeadmapi "k8s.io/kubernetes/cmd/kubeadm/app/apis/kubeadm"
	"k8s.io/kubernetes/cmd/kubeadm/app/util/pkiutil"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// etcdMemberVariable makes this program a member of an etcd cluster, rather than
// the tests: so a member runs on a host's network, and can be killed alone.
const etcdMemberVariable = "MAINSTAY_TEST_ETCD_MEMBER"

func TestMain(m *testing.M) {
	if member := os.Getenv(etcdMemberVariable); member != "" {
		if err := runEtcdMember(strings.Split(member, " ")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if program := os.Getenv(upstreamVariable); program != "" {
		os.Exit(runUpstream(program))
	}
	os.Exit(m.Run())
}

// etcdCluster is an etcd that somebody else runs, with TLS, for clients with a
// certificate alone.
type etcdCluster struct {
	host      *hosts.Host
	ip        net.IP // where it listens
	directory string
	ports     []int // of the clients; each member's peers have the next one
	members   []*exec.Cmd
}

// startEtcd starts a cluster with a member for each port, for the host alone.
func startEtcd(t *testing.T, h *hosts.Host, ports ...int) *etcdCluster {
	t.Helper()
	return startEtcdAt(t, h, net.IPv4(127, 0, 0, 1), ports...)
}

func startEtcdAt(t *testing.T, h *hosts.Host, ip net.IP, ports ...int) *etcdCluster {
	t.Helper()
	c := &etcdCluster{host: h, ip: ip, directory: t.TempDir(), ports: ports, members: make([]*exec.Cmd, len(ports))}
	makeCertificates(t, c.directory, ip)
	for index := range ports {
		c.start(t, index)
	}
	t.Cleanup(func() {
		for index := range ports {
			c.kill(index)
		}
	})
	hosts.Eventually(t, 20*time.Second, func(ctx context.Context) error {
		connection, err := h.Dial(ctx, etcdURL(ip, ports[0]).Host)
		if err == nil {
			connection.Close()
		}
		return err
	})
	c.count(t)
	return c
}

func (c *etcdCluster) start(t *testing.T, index int) {
	t.Helper()
	member := c.host.Run(os.Args[0])
	member.Env = append(member.Env, etcdMemberVariable+"="+fmt.Sprintf("%s %s %d %s", c.directory, c.ip, index, strings.Trim(fmt.Sprint(c.ports), "[]")))
	member.Stderr = os.Stderr
	if err := member.Start(); err != nil {
		t.Fatal(err)
	}
	c.members[index] = member
}

func (c *etcdCluster) kill(index int) {
	_ = c.members[index].Process.Kill()
	_ = c.members[index].Wait()
}

func runEtcdMember(member []string) error {
	klog.SetLogger(klog.Logger{})
	directory, ip, index, ports := member[0], net.ParseIP(member[1]), member[2], member[3:]
	config := embed.NewConfig()
	config.Name = "member-" + index
	config.Dir = filepath.Join(directory, config.Name)
	var cluster []string
	for i, port := range ports {
		var number int
		if _, err := fmt.Sscan(port, &number); err != nil {
			return err
		}
		client, peer := etcdURL(ip, number), etcdURL(ip, number+1)
		cluster = append(cluster, fmt.Sprintf("member-%d=%s", i, peer.String()))
		if fmt.Sprint(i) == index {
			config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{*client}, []url.URL{*client}
			config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{*peer}, []url.URL{*peer}
		}
	}
	config.InitialCluster = strings.Join(cluster, ",")
	config.ClientTLSInfo = transport.TLSInfo{
		CertFile: filepath.Join(directory, "server.crt"), KeyFile: filepath.Join(directory, "server.key"),
		TrustedCAFile: filepath.Join(directory, "ca.crt"), ClientCertAuth: true,
	}
	config.PeerTLSInfo = config.ClientTLSInfo
	config.LogLevel, config.LogOutputs = "fatal", []string{"stderr"}
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return err
	}
	defer etcd.Close()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	select {
	case <-stop:
		return nil
	case err := <-etcd.Err():
		return err
	}
}

func etcdURL(ip net.IP, port int) *url.URL {
	return &url.URL{Scheme: "https", Host: fmt.Sprintf("%s:%d", ip, port)}
}

// makeCertificates are valid for this machine, and more addresses.
func makeCertificates(t *testing.T, directory string, addresses ...net.IP) {
	t.Helper()
	config := func(name string, usages ...x509.ExtKeyUsage) *pkiutil.CertConfig {
		return &pkiutil.CertConfig{
			Config: certutil.Config{
				CommonName: name, Usages: usages, NotBefore: time.Now(),
				AltNames: certutil.AltNames{IPs: append(addresses, net.IPv4(127, 0, 0, 1))},
			},
			NotAfter: time.Now().Add(time.Hour), EncryptionAlgorithm: kubeadmapi.EncryptionAlgorithmECDSAP256,
		}
	}
	ca, caKey, err := pkiutil.NewCertificateAuthority(config("somebody's etcd"))
	if err == nil {
		err = pkiutil.WriteCert(directory, "ca", ca)
	}
	for name, usages := range map[string][]x509.ExtKeyUsage{
		"server": {x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		"client": {x509.ExtKeyUsageClientAuth},
	} {
		if err != nil {
			break
		}
		cert, key, failed := pkiutil.NewCertAndKey(ca, caKey, config(name, usages...))
		if err = failed; err == nil {
			err = pkiutil.WriteCertAndKey(directory, name, cert, key)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// flags are what a person adds to `mainstay up`.
func (c *etcdCluster) flags() []string {
	var servers []string
	for _, port := range c.ports {
		servers = append(servers, etcdURL(c.ip, port).String())
	}
	return []string{
		"--etcd-servers", strings.Join(servers, ","), "--etcd-cafile", filepath.Join(c.directory, "ca.crt"),
		"--etcd-certfile", filepath.Join(c.directory, "client.crt"), "--etcd-keyfile", filepath.Join(c.directory, "client.key"),
	}
}

func (c *etcdCluster) client(t *testing.T) *clientv3.Client {
	t.Helper()
	config, err := transport.TLSInfo{
		TrustedCAFile: filepath.Join(c.directory, "ca.crt"),
		CertFile:      filepath.Join(c.directory, "client.crt"), KeyFile: filepath.Join(c.directory, "client.key"),
	}.ClientConfig()
	if err != nil {
		t.Fatal(err)
	}
	dial := grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) { return c.host.Dial(ctx, address) })
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{etcdURL(c.ip, c.ports[0]).String()}, TLS: config, Logger: zap.NewNop(), DialOptions: []grpc.DialOption{dial},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// count returns how many keys a Kubernetes has in the cluster.
func (c *etcdCluster) count(t *testing.T) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	found, err := c.client(t).Get(ctx, "/registry/", clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		t.Fatal(err)
	}
	return found.Count
}
