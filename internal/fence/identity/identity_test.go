package identity

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/mainstay-io/mainstay/internal/fence"
	"github.com/mainstay-io/mainstay/internal/fence/agent"
	"github.com/mainstay-io/mainstay/test/apiserver"
)

// asKeeper has the user that the API server makes of the token of a keeper's pod.
func asKeeper(t *testing.T, access *rest.Config, node string) kubernetes.Interface {
	t.Helper()
	own := rest.CopyConfig(access)
	own.Impersonate = rest.ImpersonationConfig{UserName: account, Groups: []string{"system:masters"}, Extra: map[string][]string{NodeNameKey: {node}}}
	client, err := kubernetes.NewForConfig(own)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// Members get identities from whichever judge, and speak with each other and with
// judges; the judges agree on one authority.
func TestIdentities(t *testing.T) {
	access := apiserver.Start(t)
	admin, err := kubernetes.NewForConfig(access)
	if err != nil {
		t.Fatal(err)
	}
	hosts := map[string]string{"alpha": "127.0.9.1", "beta": "127.0.9.2"}
	for name, host := range hosts {
		node := nodeWith(name, core.NodeAddress{Type: core.NodeInternalIP, Address: host})
		if _, err := admin.CoreV1().Nodes().Create(t.Context(), &node, meta.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Load(t.Context(), admin, "default", "authority"); err == nil {
		t.Error("there is an authority without its Secret")
	}
	if _, err := admin.CoreV1().Secrets("default").Create(t.Context(), &core.Secret{ObjectMeta: meta.ObjectMeta{Name: "authority"}}, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	var parts sync.WaitGroup
	t.Cleanup(func() { end(); parts.Wait() })
	judges := make([]*Authority, 3)
	var loads sync.WaitGroup
	for i := range judges {
		loads.Go(func() {
			if judges[i], err = Load(ctx, admin, "default", "authority"); err != nil {
				t.Error(err)
			}
		})
	}
	loads.Wait()
	if t.Failed() {
		return
	}
	for _, judge := range judges[:2] {
		parts.Go(func() { judge.Sign(ctx, admin, account) })
	}

	dirs, members := map[string]string{}, map[string]*Member{}
	for node, host := range hosts {
		dirs[node] = t.TempDir()
		waited, stop := context.WithTimeout(ctx, 20*time.Second)
		defer stop()
		if members[node], err = Obtain(waited, asKeeper(t, access, node), node, net.ParseIP(host), dirs[node]); err != nil {
			t.Fatal(err)
		}
		server, _, err := members[node].TLS()
		if err != nil {
			t.Fatal(err)
		}
		words := agent.NewWords()
		words.Read(nil)
		parts.Go(func() {
			if err := words.Serve(ctx, net.JoinHostPort(host, "10260"), server); err != nil {
				t.Error(err)
			}
		})
	}
	about := fence.Subject{Node: "alpha", UID: "1"}
	_, asAlpha, err := members["alpha"].TLS()
	if err != nil {
		t.Fatal(err)
	}
	alpha := agent.Asker{Client: &http.Client{Transport: &http.Transport{TLSClientConfig: asAlpha}}}
	// A member vouches for nobody before it has been there for a while; but it knows who asks.
	if err := retry(func() error { return alpha.Vouch(ctx, hosts["beta"], about, 1) }); err != nil && !strings.Contains(err.Error(), "409 Conflict") {
		t.Errorf("alpha asks beta to vouch: %v", err)
	}
	if err := alpha.Vouch(ctx, hosts["beta"], fence.Subject{Node: "beta", UID: "1"}, 1); err == nil || !strings.Contains(err.Error(), "system:node:alpha may not ask") {
		t.Errorf("alpha asks about beta: %v", err)
	}
	judge := agent.Asker{Client: &http.Client{Transport: &http.Transport{TLSClientConfig: judges[2].JudgeTLS()}}}
	if _, err := judge.Refuse(ctx, hosts["beta"], about, 1); err != nil {
		t.Errorf("a judge that did not sign asks beta to refuse: %v", err)
	}

	// Without an API, and without judges, an identity from before does.
	end()
	parts.Wait()
	again, stop := context.WithTimeout(t.Context(), 5*time.Second)
	defer stop()
	nowhere, err := kubernetes.NewForConfig(&rest.Config{Host: "127.0.9.9:1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Obtain(again, nowhere, "alpha", net.ParseIP(hosts["alpha"]), dirs["alpha"]); err != nil {
		t.Errorf("it is not kept: %v", err)
	}
}

// retry waits until a member listens.
func retry(ask func() error) error {
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		err := ask()
		var network *net.OpError
		if !errors.As(err, &network) || time.Since(begun) > 10*time.Second {
			return err
		}
	}
}

// The judge's certificate is made again before it ends, and not each time.
func TestJudgeCertificate(t *testing.T) {
	data, err := newAuthority()
	if err != nil {
		t.Fatal(err)
	}
	authority, err := decode(&core.Secret{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	own := judgeCertificate{authority: authority}
	get := func(after time.Duration) []byte {
		t.Helper()
		pair, err := own.get(time.Now().Add(after))
		if err != nil {
			t.Fatal(err)
		}
		return pair.Certificate[0]
	}
	first := string(get(0))
	if string(get(lifetime/2-time.Hour)) != first {
		t.Error("it is made again too soon")
	}
	if string(get(lifetime/2+time.Hour)) == first {
		t.Error("it is not made again")
	}
}
