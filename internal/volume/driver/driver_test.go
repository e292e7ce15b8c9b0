package driver

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// The driver serves kubelet also while the API server is away, and ends when it
// is asked to.
func TestRunWithoutAPIServer(t *testing.T) {
	dir := t.TempDir()
	config := Config{
		NodeName: "node-a", Pools: []volume.Place{{Name: volume.DefaultPool, Path: filepath.Join(dir, "pool")}}, PoolStateDir: filepath.Join(dir, "pools"), KubeletDir: filepath.Join(dir, "kubelet"),
		SocketDir: filepath.Join(dir, "run"), RESTConfig: &rest.Config{Host: "https://127.0.0.1:1"},
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, config) }()
	for _, socket := range []string{filepath.Join(config.SocketDir, "csi.sock"), volume.RegistrationSocket(config.KubeletDir)} {
		waitForSocket(t, socket, ended)
	}
	if s, err := os.Stat(config.Pools[0].Path); err != nil || s.Mode().Perm() != 0o700 {
		t.Errorf("the pool has the mode %v (%v)", s.Mode(), err)
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("still running 20 s after it was asked to end")
	}
}

func waitForSocket(t *testing.T, socket string, ended <-chan error) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		connection, err := net.Dial("unix", socket)
		if err == nil {
			connection.Close()
			return
		}
		select {
		case err := <-ended:
			t.Fatalf("ended before it served at %s: %v", socket, err)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// Pools that cannot be those of one node are refused before anything is served.
func TestRunRefusesBadPools(t *testing.T) {
	for _, pools := range [][]volume.Place{
		nil,
		{{Name: "fast", Path: "/srv/fast"}},
		{{Name: volume.DefaultPool, Path: "/srv"}, {Name: "fast", Path: "/srv/fast"}},
		{{Name: volume.DefaultPool, Path: "/srv/a"}, {Name: volume.DefaultPool, Path: "/srv/b"}},
		{{Name: volume.DefaultPool, Path: "/srv"}, {Name: "Fast_1", Path: "/mnt"}},
		{{Name: volume.DefaultPool, Path: "/srv"}, {Name: "fast", Path: "mnt"}},
	} {
		if err := Run(context.Background(), Config{Pools: pools}); err == nil {
			t.Errorf("taken for pools of one node: %v", pools)
		}
	}
}
