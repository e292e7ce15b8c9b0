package engine

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/connrotation"
	"k8s.io/klog/v2"
)

// doorAddress is where a server's own parts find its API. On a machine that has joined
// the door is there: libraries can be told one address only.
var doorAddress = net.JoinHostPort("127.0.0.1", strconv.Itoa(APIPort))

// door passes what arrives there on to a server that is ready. It neither reads nor adds
// anything: who comes in has to show the server a certificate, as everywhere.
type door struct {
	listener net.Listener
	paths    Paths
	to       *connrotation.Dialer // whose connections end when another server is chosen
	ready    func(ctx context.Context, server string) bool

	mutex  sync.Mutex
	chosen string // the server that is tried first; empty: the first that is known
}

func openDoor(paths Paths) (*door, error) {
	client, err := rest.HTTPClientFor(&rest.Config{
		Timeout:         askAgain,
		TLSClientConfig: rest.TLSClientConfig{CAFile: paths.pkiFile("ca.crt"), ServerName: "127.0.0.1"}, // as who comes in asks for
	})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", doorAddress)
	if err != nil {
		return nil, err
	}
	d := &door{listener: listener, paths: paths, ready: func(ctx context.Context, server string) bool { return serverReady(ctx, client, server) }}
	d.to = connrotation.NewDialer(d.dial)
	return d, nil
}

// servers are those that are known, the chosen one first.
func (d *door) servers() []string {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	servers := slices.Clone(knownServers(d.paths))
	if at := slices.Index(servers, d.chosen); at > 0 {
		return append([]string{d.chosen}, slices.Delete(servers, at, at+1)...)
	}
	return servers
}

func (d *door) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return reachServers(d.paths).connectToOne(ctx, d.servers())
}

// run passes on until ctx ends.
func (d *door) run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { d.listener.Close() })()
	go d.watch(ctx)
	for {
		visitor, err := d.listener.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil: // of one connection, or of too many
			time.Sleep(tryAgain)
		default:
			go d.pass(ctx, visitor)
		}
	}
}

func (d *door) pass(ctx context.Context, visitor net.Conn) {
	defer visitor.Close()
	server, err := d.to.DialContext(ctx, "tcp", "")
	if err != nil {
		klog.FromContext(ctx).V(2).Info("No server answers", "reason", err.Error())
		return
	}
	defer server.Close()
	end := sync.OnceFunc(func() { visitor.Close(); server.Close() })
	defer context.AfterFunc(ctx, end)()
	go func() { _, _ = io.Copy(server, visitor); end() }() // either side's end is that of both
	_, _ = io.Copy(visitor, server)
}

const (
	// askAgain is how often the chosen server is asked whether it is ready, and how long
	// it may take to say so.
	askAgain = time.Second
	// unreadyTwice in a row, and another server is chosen if there is one.
	unreadyTwice = 2
)

// watch leaves a server that is there but not ready, or gone without a word, for one that
// is ready. Where there is none it stays.
func (d *door) watch(ctx context.Context) {
	for failures := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(askAgain):
		}
		servers := d.servers()
		if len(servers) < 2 || d.ready(ctx, servers[0]) {
			failures = 0
			continue
		}
		if failures++; failures >= unreadyTwice {
			d.choose(ctx, servers[1:])
		}
	}
}

// choose takes the first of the servers that is ready.
func (d *door) choose(ctx context.Context, servers []string) {
	for _, server := range servers {
		if !d.ready(ctx, server) {
			continue
		}
		klog.FromContext(ctx).Info("Another server is asked from now on", "server", server)
		d.mutex.Lock()
		d.chosen = server
		d.mutex.Unlock()
		d.to.CloseAll()
		return
	}
}

// serverReady asks a server, without an identity, whether it is ready: it cannot be
// without etcd.
func serverReady(ctx context.Context, client *http.Client, server string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+server+"/readyz", nil)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		client.CloseIdleConnections() // nobody may be at the other end any more
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}
