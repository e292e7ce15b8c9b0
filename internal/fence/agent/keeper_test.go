package agent

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/mainstay-io/mainstay/internal/fence"
	"github.com/mainstay-io/mainstay/test/apiserver"
)

// authority signs the certificates of a test's members.
type authority struct {
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	a := authority{certificate: &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}}
	a.key, a.certificate = a.sign(t, a.certificate)
	return a
}

func (a authority) sign(t *testing.T, template *x509.Certificate) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer := a.key
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, certificate
}

// tls is the configuration of whoever has this name, at an address or none.
func (a authority) tls(t *testing.T, name string, address net.IP) *tls.Config {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	if address != nil {
		template.IPAddresses = []net.IP{address}
	}
	key, certificate := a.sign(t, template)
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{certificate.Raw}, PrivateKey: key}},
		RootCAs:      pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}
}

// member is a node of the test, whose links can be cut.
type member struct {
	name, host string
	client     kubernetes.Interface
	words      *Words
	dir        Dir
	memory     *Memory
	// noAPI and noPeers are cut links; engine says that kubelet works.
	noAPI, noPeers, engine atomic.Bool
	mutex                  sync.Mutex
	runs                   bool
	claims                 []int32
}

var errCut = errors.New("the link is cut")

type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

func cuttable(cut *atomic.Bool, next http.RoundTripper) http.RoundTripper {
	return transport(func(r *http.Request) (*http.Response, error) {
		if cut.Load() {
			return nil, errCut
		}
		return next.RoundTrip(r)
	})
}

// Stop and Claim play the node's pets: one.
func (m *member) Stop(context.Context) error { m.set(false); return nil }

func (m *member) Claim(_ context.Context, epoch int32) error {
	m.set(true)
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.claims = append(m.claims, epoch)
	return nil
}

func (m *member) set(runs bool) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.runs = runs
}

func (m *member) running() bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.runs
}

// startMembers runs the keepers, the members and the executioners of three nodes.
func startMembers(t *testing.T, access *rest.Config) (members []*member, signer authority) {
	t.Helper()
	signer = newAuthority(t)
	admin, err := kubernetes.NewForConfig(access)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.CoreV1().Namespaces().Create(t.Context(), &core.Namespace{ObjectMeta: meta.ObjectMeta{Name: Namespace}}, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		m := &member{name: fmt.Sprint("node-", i), host: fmt.Sprint("127.0.7.", i+1), words: NewWords(), dir: newDir(t)}
		m.memory = openMemory(t, m.dir)
		if err := m.dir.arm(); err != nil {
			t.Fatal(err)
		}
		m.engine.Store(true)
		_, err := admin.CoreV1().Nodes().Create(t.Context(), &core.Node{
			ObjectMeta: meta.ObjectMeta{Name: m.name},
			Status:     core.NodeStatus{Addresses: []core.NodeAddress{{Type: core.NodeInternalIP, Address: m.host}}},
		}, meta.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		own := rest.CopyConfig(access)
		own.Wrap(func(next http.RoundTripper) http.RoundTripper { return cuttable(&m.noAPI, next) })
		if m.client, err = kubernetes.NewForConfig(own); err != nil {
			t.Fatal(err)
		}
		members = append(members, m)
	}
	var group sync.WaitGroup
	ctx, end := context.WithCancel(context.Background())
	t.Cleanup(func() { end(); group.Wait() })
	for _, m := range members {
		config := signer.tls(t, nodeUser+m.name, net.ParseIP(m.host))
		keeper := &Keeper{
			Terms: fence.DefaultTerms(), Node: m.name, Machine: "machine of " + m.name, Memory: m.memory, Words: m.words, Pods: m,
			Leases:      Leases{Client: m.client, Terms: fence.DefaultTerms()},
			Asker:       Asker{Client: &http.Client{Transport: cuttable(&m.noPeers, &http.Transport{TLSClientConfig: config.Clone()})}},
			Alive:       func(context.Context) bool { return m.engine.Load() },
			Executioner: m.dir.ExecutionerRuns,
		}
		for _, part := range []func(context.Context) error{
			keeper.Run, Executioner{Memory: m.memory, Dir: m.dir, Stop: m.Stop}.Run,
			func(ctx context.Context) error {
				return m.words.Serve(ctx, net.JoinHostPort(m.host, strconv.Itoa(Port)), config)
			},
		} {
			group.Go(func() {
				if err := part(ctx); err != nil {
					t.Error(err)
				}
			})
		}
	}
	return members, signer
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for begun := time.Now(); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Since(begun) > 20*time.Second { // a bound for slow machines
			t.Fatalf("it is not so that %s", what)
		}
	}
}

// The keepers of three nodes, on a real API server.
func TestKeepers(t *testing.T) {
	members, signer := startMembers(t, apiserver.Start(t))
	leases := Leases{Client: members[0].client, Terms: fence.DefaultTerms()}
	leaseOf := func(m *member) fence.Lease { return leases.Read(t.Context(), m.name).Lease }
	settled := func(m *member) bool { return m.running() && len(leaseOf(m).Members) == len(members) }
	for _, m := range members {
		eventually(t, m.name+" runs its pet and knows all members", func() bool { return settled(m) })
	}

	t.Run("the API is away, but the members see each other", func(t *testing.T) {
		before := leaseOf(members[2])
		members[2].noAPI.Store(true)
		time.Sleep(3 * fence.DefaultTerms().Term / 2)
		if !members[2].running() {
			t.Error("its pet was stopped")
		}
		members[2].noAPI.Store(false)
		eventually(t, "it renews again", func() bool { return leaseOf(members[2]).Version > before.Version+1 })
		if now := leaseOf(members[2]); now.Epoch != before.Epoch {
			t.Errorf("epoch %d became %d", before.Epoch, now.Epoch)
		}
	})
	t.Run("a node is cut off", func(t *testing.T) {
		before := leaseOf(members[2])
		members[2].noPeers.Store(true)
		members[2].noAPI.Store(true)
		cut := time.Now()
		eventually(t, "its pet is stopped", func() bool { return !members[2].running() })
		if took := time.Since(cut); took < fence.DefaultTerms().Term-2*fence.DefaultTerms().Renew {
			t.Errorf("it was stopped after %v, before its lease ran out", took)
		}
		members[2].noPeers.Store(false)
		members[2].noAPI.Store(false)
		eventually(t, "it runs again, in a new epoch", func() bool { return members[2].running() && leaseOf(members[2]).Epoch > before.Epoch })
	})
	t.Run("the engine ends", func(t *testing.T) {
		members[1].engine.Store(false)
		eventually(t, "the node gives its lease back", func() bool { return leaseOf(members[1]).State == fence.Fenced })
		if members[1].running() {
			t.Error("its pet runs")
		}
		members[1].engine.Store(true)
		eventually(t, "it runs again", members[1].running)
	})
	t.Run("members answer whom they should", func(t *testing.T) { tryAsking(t, members, signer, leaseOf(members[0])) })
	t.Run("a refused node is not vouched for", func(t *testing.T) {
		judge := Asker{Client: &http.Client{Transport: &http.Transport{TLSClientConfig: signer.tls(t, JudgeUser, nil)}}}
		of := leaseOf(members[0])
		for _, m := range members[1:] {
			if age, err := judge.Refuse(t.Context(), m.host, of.Subject(), of.Epoch); err != nil || age <= 0 {
				t.Errorf("%s: %v, %v", m.name, age, err)
			}
		}
		members[0].noAPI.Store(true)
		eventually(t, "its pet is stopped", func() bool { return !members[0].running() })
	})
}

// tryAsking has everybody ask everything, about a lease of the first member's.
func tryAsking(t *testing.T, members []*member, signer authority, of fence.Lease) {
	old := of.Epoch - 1 // nobody loses anything by it
	var allowed []string
	for _, user := range []string{nodeUser + members[0].name, nodeUser + members[1].name, JudgeUser, "system:admin"} {
		asker := Asker{Client: &http.Client{Transport: &http.Transport{TLSClientConfig: signer.tls(t, user, nil)}}}
		if err := asker.Vouch(t.Context(), members[2].host, of.Subject(), of.Epoch); err == nil {
			allowed = append(allowed, user+" vouch")
		} else if !strings.Contains(err.Error(), "may not ask") {
			t.Errorf("%s: %v", user, err)
		}
		if _, err := asker.Refuse(t.Context(), members[2].host, of.Subject(), old); err == nil {
			allowed = append(allowed, user+" refuse")
		} else if !strings.Contains(err.Error(), "may not ask") {
			t.Errorf("%s: %v", user, err)
		}
	}
	if want := []string{nodeUser + members[0].name + " vouch", JudgeUser + " refuse"}; !slices.Equal(allowed, want) {
		t.Errorf("allowed are %v, and should be %v", allowed, want)
	}
	stranger := newAuthority(t).tls(t, JudgeUser, nil)
	stranger.RootCAs = signer.tls(t, "", nil).RootCAs
	for who, config := range map[string]*tls.Config{"nobody": {RootCAs: stranger.RootCAs}, "a stranger": stranger} {
		asker := Asker{Client: &http.Client{Transport: &http.Transport{TLSClientConfig: config}}}
		if _, err := asker.Refuse(t.Context(), members[2].host, of.Subject(), old); err == nil || !strings.Contains(err.Error(), "tls") {
			t.Errorf("%s: %v", who, err)
		}
	}
}
