package bench

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	remote "k8s.io/cri-client/pkg"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// timeContainerd starts containerd alone, with the configuration that a stopped
// engine left and its state in directory, and returns how long it takes to
// answer over CRI, in seconds. It ends it again.
func timeContainerd(b *testing.B, h *hosts.Host, directory string) float64 {
	b.Helper()
	socket := filepath.Join(directory, "containerd.sock")
	command := h.Run("containerd", "--config", filepath.Join(h.DataDir, "config", "containerd.toml"),
		"--root", filepath.Join(directory, "root"), "--state", filepath.Join(directory, "state"), "--address", socket)
	log, err := os.Create(filepath.Join(directory, "containerd.log"))
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	command.Stdout, command.Stderr = log, log

	begun := time.Now()
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		_ = command.Process.Signal(unix.SIGTERM)
		_ = command.Wait() // it ends by the signal
	}()
	hosts.Eventually(b, 30*time.Second, func(ctx context.Context) error {
		// The client waits long for a socket that does not exist yet.
		connection, err := net.Dial("unix", socket)
		if err != nil {
			return err
		}
		connection.Close()
		_, err = remote.NewRemoteRuntimeService(ctx, "unix://"+socket, 10*time.Second, nil, false)
		return err
	})
	return time.Since(begun).Seconds()
}
