package bench

import (
	"net/url"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/client-go/rest"
	apiservertesting "k8s.io/kubernetes/cmd/kube-apiserver/app/testing"
)

// startAPIServer runs an etcd and a kube-apiserver in this process, and returns
// how to reach it, as an administrator and without limits.
func startAPIServer(b *testing.B) *rest.Config {
	b.Helper()
	storage := storagebackend.NewDefaultConfig("/registry", nil)
	storage.Transport.ServerList = []string{startEtcd(b)}
	server, err := apiservertesting.StartTestServer(silent{b}, apiservertesting.NewDefaultTestServerOptions(), []string{
		"--disable-admission-plugins=ServiceAccount", // nobody here makes the accounts
		"--max-requests-inflight=4000",
		"--max-mutating-requests-inflight=2000",
	}, storage)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(server.TearDownFn)
	server.ClientConfig.QPS = -1
	return server.ClientConfig
}

// silent keeps the server's log out of the table.
type silent struct{ testing.TB }

func (silent) Log(...any)          {}
func (silent) Logf(string, ...any) {}

func startEtcd(b *testing.B) (endpoint string) {
	b.Helper()
	local := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	settings := embed.NewConfig()
	settings.Dir = b.TempDir()
	settings.LogLevel = "fatal"
	settings.ListenClientUrls, settings.ListenPeerUrls = []url.URL{local}, []url.URL{local}
	settings.TickMs, settings.ElectionMs = 10, 50
	settings.UnsafeNoFsync = true // the disk is the same for both
	etcd, err := embed.StartEtcd(settings)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(etcd.Close)
	select {
	case <-etcd.Server.ReadyNotify():
	case <-time.After(10 * time.Second):
		b.Fatal("etcd is not ready after 10 s")
	}
	return "http://" + etcd.Clients[0].Addr().String()
}
