package csi

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// slow is a call that is told to give up, and then has something to put in order.
type slow struct {
	spec.UnimplementedIdentityServer
	begun   chan struct{}
	inOrder bool
}

func (s *slow) Probe(ctx context.Context, _ *spec.ProbeRequest) (*spec.ProbeResponse, error) {
	close(s.begun)
	<-ctx.Done()
	time.Sleep(50 * time.Millisecond)
	s.inOrder = true
	return &spec.ProbeResponse{}, ctx.Err()
}

// No call outlives its server: it has put in order what it must before the
// driver's process ends.
func TestCallsEndBeforeTheirServer(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "csi.sock")
	listener, err := Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	call := &slow{begun: make(chan struct{})}
	server := grpc.NewServer(untilHandled)
	spec.RegisterIdentityServer(server, call)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serveUntil(ctx, server, listener, time.Millisecond) }()

	connection, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	go spec.NewIdentityClient(connection).Probe(context.Background(), &spec.ProbeRequest{}) //nolint:errcheck // it fails
	<-call.begun
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if !call.inOrder {
		t.Error("the server has ended before its call")
	}
}
