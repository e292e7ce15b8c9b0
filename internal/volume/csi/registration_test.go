package csi

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	kubelet "k8s.io/kubelet/pkg/apis/pluginregistration/v1"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// kubelet finds the driver, also where a killed one has left its socket; nobody
// but root can reach it; a clean end takes the socket away.
func TestRegister(t *testing.T) {
	dir := t.TempDir()
	socket := volume.RegistrationSocket(dir)
	stale, err := Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	defer stale.Close()

	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Register(ctx, dir, "/run/csi.sock") }()
	deadline, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	info := waitForInfo(t, deadline, socket)
	if info.GetType() != kubelet.CSIPlugin || info.GetName() != volume.DriverName || info.GetEndpoint() != "/run/csi.sock" {
		t.Errorf("kubelet is told %v", info)
	}
	for path, want := range map[string]os.FileMode{socket: 0o600, filepath.Dir(socket): 0o700} {
		if s, err := os.Stat(path); err != nil || s.Mode().Perm() != want {
			t.Errorf("%s has the mode %v (%v), want %v", path, s.Mode().Perm(), err, want)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
}

// waitForInfo asks until the server behind the socket is ours, not the stale one:
// each time by a connection of its own, since one to that would wait for long.
func waitForInfo(t *testing.T, ctx context.Context, socket string) *kubelet.PluginInfo {
	t.Helper()
	for {
		connection, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		attempt, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		info, err := kubelet.NewRegistrationClient(connection).GetInfo(attempt, &kubelet.InfoRequest{})
		cancel()
		_ = connection.Close()
		if err == nil {
			return info
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}
