// Package apiserver runs the API server of a Kubernetes in the process of a test,
// on an etcd of its own. There is nothing else: what controllers and nodes do, the
// test plays.
package apiserver

import (
	"net/url"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/client-go/rest"
	apiservertesting "k8s.io/kubernetes/cmd/kube-apiserver/app/testing"
)

// Start returns how to reach it, as an administrator and without client limits. It
// ends with the test.
func Start(t testing.TB, flags ...string) *rest.Config {
	t.Helper()
	storage := storagebackend.NewDefaultConfig("/registry", nil)
	storage.Transport.ServerList = []string{startEtcd(t)}
	flags = append([]string{
		"--disable-admission-plugins=ServiceAccount", // nobody here makes the accounts
		"--max-requests-inflight=4000",
		"--max-mutating-requests-inflight=2000",
	}, flags...)
	server, err := apiservertesting.StartTestServer(t, apiservertesting.NewDefaultTestServerOptions(), flags, storage)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.TearDownFn)
	server.ClientConfig.QPS = -1
	return server.ClientConfig
}

func startEtcd(t testing.TB) (endpoint string) {
	t.Helper()
	local := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	settings := embed.NewConfig()
	settings.Dir = t.TempDir()
	settings.LogLevel = "fatal"
	settings.ListenClientUrls = []url.URL{local}
	settings.ListenPeerUrls = []url.URL{local}
	settings.TickMs, settings.ElectionMs = 10, 50
	settings.UnsafeNoFsync = true
	etcd, err := embed.StartEtcd(settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(etcd.Close)
	select {
	case <-etcd.Server.ReadyNotify():
	case <-time.After(10 * time.Second):
		t.Fatal("etcd is not ready after 10 s")
	}
	return "http://" + etcd.Clients[0].Addr().String()
}
