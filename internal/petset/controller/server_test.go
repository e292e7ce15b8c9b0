package controller

import (
	"context"
	"net/url"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/client-go/rest"
	apiservertesting "k8s.io/kubernetes/cmd/kube-apiserver/app/testing"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// startAPIServer runs a real etcd and kube-apiserver in this process and
// returns how to reach it, as an administrator and without client limits.
func startAPIServer(t *testing.T) *rest.Config {
	t.Helper()
	storage := storagebackend.NewDefaultConfig("/registry", nil)
	storage.Transport.ServerList = []string{startEtcd(t)}
	server, err := apiservertesting.StartTestServer(t, apiservertesting.NewDefaultTestServerOptions(), []string{
		"--disable-admission-plugins=ServiceAccount", // nobody here makes the accounts
		"--max-requests-inflight=4000",
		"--max-mutating-requests-inflight=2000",
	}, storage)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.TearDownFn)
	server.ClientConfig.QPS = -1
	return server.ClientConfig
}

func startEtcd(t *testing.T) (endpoint string) {
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

// startController runs the controller under test until the test ends.
func startController(t *testing.T, client *rest.Config) {
	t.Helper()
	manager, err := ctrl.NewManager(client, ctrl.Options{
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: ptr.To(true)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := Add(t.Context(), manager, Options{StatefulSets: true, PetSets: true}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- manager.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the manager ended: %v", err)
		}
	})
}
