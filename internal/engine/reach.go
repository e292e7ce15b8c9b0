package engine

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/connrotation"
)

// Where the API is when there are several servers: a file lists them, so that it is known
// before any of them answers, and to processes that outlive the engine.

func (p Paths) servers() string { return p.configFile("servers.json") }

// knownServers are the addresses at which servers answer, in the order in which they are
// to be tried; none where nobody has written them down.
func knownServers(paths Paths) []string {
	content, err := os.ReadFile(paths.servers())
	if err != nil {
		return nil
	}
	var servers []string
	if json.Unmarshal(content, &servers) != nil {
		return nil // the next list is written whole
	}
	return servers
}

// writeServers writes the list, if it is another one.
func writeServers(paths Paths, servers []string) error {
	if len(servers) == 0 || slices.Equal(servers, knownServers(paths)) {
		return nil
	}
	content, err := json.Marshal(servers)
	if err != nil {
		return err
	}
	return writeFile(paths.servers(), content)
}

// reach connects to a server of the cluster.
type reach struct {
	paths Paths
	// connect is how long a server may take to let somebody in, and silence how long
	// it may leave what was sent unacknowledged, before the connection ends.
	connect, silence time.Duration
}

// reachServers bears a network that stutters. A connection that has been silent for longer
// than this is of no use when the network is back: by then TCP tries so rarely that a new
// one is there sooner.
func reachServers(paths Paths) reach {
	return reach{paths: paths, connect: 1500 * time.Millisecond, silence: 3 * time.Second}
}

// DialContext connects to one of the servers that are known; where none is, to the
// address.
func (r reach) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	return r.connectToOne(ctx, r.servers(address))
}

func (r reach) servers(address string) []string {
	if servers := knownServers(r.paths); len(servers) > 0 {
		return servers
	}
	return []string{address}
}

func (r reach) connectToOne(ctx context.Context, servers []string) (net.Conn, error) {
	dialer := dialer(r.connect, r.silence)
	return firstConnected(ctx, servers, func(ctx context.Context, server string) (net.Conn, error) {
		return dialer.DialContext(ctx, "tcp", server)
	})
}

// dialer makes connections that end when the other side acknowledges neither data nor
// probes for so long (TCP_USER_TIMEOUT, tcp(7)): a machine that is gone does not say so.
func dialer(connect, silence time.Duration) *net.Dialer {
	return &net.Dialer{
		Timeout:         connect,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silence / 2, Interval: time.Second},
		Control: func(_, _ string, socket syscall.RawConn) error {
			var failed error
			err := socket.Control(func(fd uintptr) {
				failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silence.Milliseconds()))
			})
			return errors.Join(err, failed)
		},
	}
}

// nextServer is how long one server is waited for before another is tried as well.
const nextServer = 250 * time.Millisecond

// firstConnected tries the servers in their order, the next one whenever one fails or
// takes long, and returns the first connection.
func firstConnected(ctx context.Context, servers []string, dial func(context.Context, string) (net.Conn, error)) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type attempt struct {
		connection net.Conn
		err        error
	}
	ended := make(chan attempt, len(servers))
	var failed []error
	for begun := 0; len(failed) < len(servers); {
		if begun < len(servers) {
			server := servers[begun]
			begun++
			go func() {
				connection, err := dial(ctx, server)
				ended <- attempt{connection, err}
			}()
		}
		var late <-chan time.Time
		if begun < len(servers) {
			late = time.After(nextServer)
		}
		select {
		case <-late:
		case first := <-ended:
			if first.err == nil {
				go func() { // close what comes too late
					for range begun - len(failed) - 1 {
						if late := <-ended; late.err == nil {
							late.connection.Close()
						}
					}
				}()
				return first.connection, nil
			}
			failed = append(failed, first.err)
		}
	}
	return nil, errors.Join(failed...)
}

// restless is for who cannot wait until a server is of use: one that is there, but cannot
// reach etcd, or has just started and knows no rights yet. At a request that it does not
// serve, restless turns to the next.
type restless struct {
	to          reach
	connections *connrotation.Dialer
	turns       atomic.Int64
}

func newRestless(to reach) *restless {
	r := &restless{to: to}
	r.connections = connrotation.NewDialer(r.dial)
	return r
}

func (r *restless) dial(ctx context.Context, _, address string) (net.Conn, error) {
	servers := r.to.servers(address)
	first := int(r.turns.Load()) % len(servers)
	return r.to.connectToOne(ctx, slices.Concat(servers[first:], servers[:first]))
}

// DialContext connects, anew if somebody turned meanwhile: that closed the connections
// that there were, and this one was none yet.
func (r *restless) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	for {
		turn := r.turns.Load()
		connection, err := r.connections.DialContext(ctx, network, address)
		if err != nil || r.turns.Load() == turn {
			return connection, err
		}
		connection.Close()
	}
}

// use makes a client restless.
func (r *restless) use(access *rest.Config) {
	access.Dial = r.DialContext
	access.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			turn := r.turns.Load()
			response, err := next.RoundTrip(request)
			failed := err != nil || response.StatusCode >= http.StatusInternalServerError ||
				response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden
			if failed && r.turns.CompareAndSwap(turn, turn+1) { // others that fail with it do not turn on
				r.connections.CloseAll()
			}
			return response, err
		})
	})
}
