package netdisk

import (
	"context"
	"fmt"
	"net"
	"net/rpc"
	"sync"
	"time"
)

// attempt is how long one attempt to ask the server may take: a dead connection does
// not tell that it is.
const attempt = time.Second

func dial(ctx context.Context, server string) (*rpc.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", server)
	if err != nil {
		return nil, fmt.Errorf("the disk server does not answer: %w", err)
	}
	return rpc.NewClient(impatient{connection}), nil
}

// impatient is a connection that does not wait for ever for space in its buffer.
type impatient struct{ net.Conn }

func (c impatient) Write(data []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(attempt)); err != nil {
		return 0, err
	}
	return c.Conn.Write(data)
}

// call asks, and gives up after an attempt.
func call(ctx context.Context, client *rpc.Client, method string, arguments, reply any) error {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	select {
	case done := <-client.Go("Disks."+method, arguments, reply, make(chan *rpc.Call, 1)).Done:
		return done.Error
	case <-ctx.Done():
		return fmt.Errorf("the disk server does not answer: %w", ctx.Err())
	}
}

// ask asks for a disk as a whole, through a connection for this once.
func ask(ctx context.Context, server, method string, arguments, reply any) error {
	client, err := dial(ctx, server)
	if err != nil {
		return err
	}
	defer client.Close()
	return call(ctx, client, method, arguments, reply)
}

// session is a node's use of a disk: it connects again as often as it must.
type session struct {
	server string
	// patience is how long a request is tried before it fails.
	patience time.Duration

	mu     sync.Mutex
	client *rpc.Client // nil: not connected
	writer Writer      // its Session is that of client
	size   int64       // bytes; does not change
}

// openSession connects for the first time, with one attempt.
func openSession(ctx context.Context, server string, writer Writer, patience time.Duration) (*session, error) {
	s := &session{server: server, patience: patience, writer: writer}
	if _, _, err := s.connected(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// connected returns the connection, a new one if need be, and who it is for.
func (s *session) connected(ctx context.Context) (*rpc.Client, Writer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		return s.client, s.writer, nil
	}
	client, err := dial(ctx, s.server)
	if err != nil {
		return nil, Writer{}, err
	}
	var opened Opened
	if err := call(ctx, client, "Open", s.writer, &opened); err != nil {
		client.Close()
		return nil, s.writer, err
	}
	s.client, s.writer.Session = client, opened.Session
	if s.size == 0 {
		s.size = opened.Size
	}
	return client, s.writer, nil
}

// drop gives up a connection, unless somebody has already.
func (s *session) drop(client *rpc.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if client != nil && s.client == client {
		s.client.Close()
		s.client = nil
	}
}

// do has a request done, however many attempts it takes. The server's refusal ends it.
func do[Reply any](ctx context.Context, s *session, method string, request Request) (Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	for {
		var reply Reply // of its own: the answer to an earlier attempt may still come
		client, writer, err := s.connected(ctx)
		if err == nil {
			request.Writer = writer
			err = call(ctx, client, method, request, &reply)
		}
		if answer := refusalOf(err); err == nil || answer != nil && answer.code != stale {
			return reply, err
		}
		s.drop(client)
		select {
		case <-ctx.Done():
			return reply, fmt.Errorf("disk %s: given up after %s: %w", s.writer.Disk, s.patience, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// close tells the server, if it can be reached, that the disk is not in use any more.
func (s *session) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		_ = call(context.Background(), s.client, "Close", s.writer, &Nothing{}) // it will see
		s.client.Close()
		s.client = nil
	}
}
