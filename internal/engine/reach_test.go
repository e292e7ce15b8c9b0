package engine

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/connrotation"
)

// serverAt says its name to whoever connects.
func serverAt(t *testing.T, address, name string) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(connection, name)
			connection.Close()
		}
	}()
	return listener
}

// Whoever is away, the first server that lets somebody in is used.
func TestReach(t *testing.T) {
	a, b := serverAt(t, "127.0.0.1:0", "a").Addr().String(), serverAt(t, "127.0.0.1:0", "b").Addr().String()
	refuses := serverAt(t, "127.0.0.1:0", "")
	refuses.Close()
	for _, test := range []struct {
		name    string
		servers []string
		want    string // empty: it fails
	}{
		{"nobody has said where servers are", nil, "a"},
		{"the first of two", []string{b, a}, "b"},
		{"the first refuses", []string{refuses.Addr().String(), b}, "b"},
		{"all but the last refuse", []string{refuses.Addr().String(), refuses.Addr().String(), b}, "b"},
		{"all are away", []string{refuses.Addr().String(), refuses.Addr().String()}, ""},
	} {
		paths := Paths{DataDir: t.TempDir()}
		if err := paths.create(); err != nil {
			t.Fatal(err)
		}
		if err := writeServers(paths, test.servers); err != nil {
			t.Fatal(err)
		}
		connection, err := reachServers(paths).DialContext(t.Context(), "tcp", a)
		if err != nil {
			if test.want != "" {
				t.Errorf("%s: %v", test.name, err)
			}
			continue
		}
		heard, err := io.ReadAll(connection)
		connection.Close()
		if err != nil || string(heard) != test.want {
			t.Errorf("%s: heard %q of %q, %v", test.name, heard, test.want, err)
		}
	}
}

// A server that answers, but cannot serve, is left at the first request that fails; and
// of several requests that fail together one alone turns to the next server.
func TestRestless(t *testing.T) {
	served := func(status int, name string) *httptest.Server {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, name)
		}))
		t.Cleanup(server.Close)
		return server
	}
	bad, good := served(http.StatusInternalServerError, "bad"), served(http.StatusOK, "good")
	paths := Paths{DataDir: t.TempDir()}
	if err := paths.create(); err != nil {
		t.Fatal(err)
	}
	if err := writeServers(paths, []string{bad.Listener.Addr().String(), good.Listener.Addr().String()}); err != nil {
		t.Fatal(err)
	}
	access := &rest.Config{Host: bad.URL}
	newRestless(reachServers(paths)).use(access)
	client, err := rest.HTTPClientFor(access)
	if err != nil {
		t.Fatal(err)
	}
	ask := func() string {
		response, err := client.Get(bad.URL)
		if err != nil {
			return err.Error()
		}
		defer response.Body.Close()
		content, _ := io.ReadAll(response.Body)
		return string(content)
	}
	var each sync.WaitGroup
	for range 4 {
		each.Go(func() { _ = ask() })
	}
	each.Wait()
	for range 3 {
		if heard := ask(); heard != "good" {
			t.Errorf("after a failure it heard %q", heard)
		}
	}
}

// pipe counts whether it is closed.
type pipe struct {
	net.Conn
	closed chan string
	name   string
}

func (p pipe) Close() error { p.closed <- p.name; return nil }

// A slow server is not waited for, and its connection is closed when it comes.
func TestFirstConnectedClosesTheLate(t *testing.T) {
	closed, let := make(chan string, 2), make(chan struct{})
	connection, err := firstConnected(t.Context(), []string{"slow", "quick"}, func(_ context.Context, server string) (net.Conn, error) {
		if server == "slow" {
			<-let
		}
		return pipe{closed: closed, name: server}, nil
	})
	if err != nil || connection.(pipe).name != "quick" {
		t.Fatal(connection, err)
	}
	close(let)
	select {
	case name := <-closed:
		if name != "slow" {
			t.Errorf("%s was closed", name)
		}
	case <-time.After(10 * time.Second):
		t.Error("the late connection stays open")
	}
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = firstConnected(interrupted, []string{"a"}, func(ctx context.Context, _ string) (net.Conn, error) { return nil, ctx.Err() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

func TestServersOf(t *testing.T) {
	node := func(name, address string, server, ready bool) *corev1.Node {
		n := newNode(name)
		if server {
			n.Labels[ServerLabel] = ""
		}
		status := corev1.ConditionFalse
		if ready {
			status = corev1.ConditionTrue
		}
		n.Status = corev1.NodeStatus{
			Addresses:  []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: address}},
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status}},
		}
		return n
	}
	untold := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "d", Labels: map[string]string{ServerLabel: ""}}}
	nodes := []*corev1.Node{
		node("c", "192.0.2.3", true, true), node("b", "192.0.2.2", true, false), node("a", "192.0.2.1", true, true),
		node("n", "192.0.2.4", false, true), untold,
	}
	joined := func(name, server string) Config {
		return Config{NodeName: name, Choices: Choices{Server: server}}
	}
	for _, test := range []struct {
		name   string
		config Config
		nodes  []*corev1.Node
		want   []string
	}{
		{"a server, its own first", Config{NodeName: "a"}, nodes, []string{"127.0.0.1:6443", "192.0.2.3:6443", "192.0.2.2:6443"}},
		{"a server alone", Config{NodeName: "a"}, nodes[2:3], []string{"127.0.0.1:6443"}},
		{"a node, those that are Ready first", joined("n", "https://192.0.2.2:6443"), nodes, []string{"192.0.2.1:6443", "192.0.2.3:6443", "192.0.2.2:6443"}},
		{"a node that has joined by a name", joined("n", "https://db:6443"), nodes, []string{"192.0.2.1:6443", "192.0.2.3:6443", "192.0.2.2:6443", "db:6443"}},
		{"a node that knows no other yet", joined("n", "https://192.0.2.1:6443"), nil, []string{"192.0.2.1:6443"}},
	} {
		if got := serversOf(test.config, test.nodes); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// What comes through the door goes to a server and back. When that one is not ready any
// more the connections through it end, and the next lead to one that is.
func TestDoor(t *testing.T) {
	echo := func(name string) string {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
		go func() {
			for {
				connection, err := listener.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(connection, name) // and stay
			}
		}()
		return listener.Addr().String()
	}
	first, second, third := echo("1"), echo("2"), echo("3")
	paths := Paths{DataDir: t.TempDir()}
	if err := paths.create(); err != nil {
		t.Fatal(err)
	}
	if err := writeServers(paths, []string{first, second, third}); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var ready sync.Map
	ready.Store(first, true)
	ready.Store(third, true)
	d := &door{listener: listener, paths: paths, ready: func(_ context.Context, server string) bool {
		_, is := ready.Load(server)
		return is
	}}
	d.to = connrotation.NewDialer(d.dial)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx) }()
	enter := func(want string) net.Conn {
		t.Helper()
		connection, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		heard := make([]byte, 1)
		if _, err := io.ReadFull(connection, heard); err != nil || string(heard) != want {
			t.Fatalf("heard %q, %v; want %q", heard, err, want)
		}
		return connection
	}
	through := enter("1")
	ready.Delete(first)
	if _, err := through.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the connection to a server that is not ready: %v", err)
	}
	through = enter("3")
	ready.Delete(third) // nobody is ready: it stays
	d.choose(ctx, []string{first, second})
	enter("3").Close()
	cancel()
	if _, err := through.Read(make([]byte, 1)); err == nil {
		t.Error("the door is closed, and a connection through it stays open")
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
