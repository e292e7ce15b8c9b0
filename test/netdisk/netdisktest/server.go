// Package netdisktest runs a disk server beside the hosts of a test, and the disks'
// CSI driver on them.
package netdisktest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/test/hosts/network"
	"github.com/mainstay-io/mainstay/test/netdisk"
)

// DriverName is the name of the driver that StartDriver starts.
const DriverName = "netdisk.mainstay.dev"

// Manifest is what the driver wants in a cluster of Mainstay: its CSIDriver, and a
// StorageClass with the name netdisk.
const Manifest = `
apiVersion: storage.k8s.io/v1
kind: CSIDriver
metadata:
  name: ` + DriverName + `
  annotations: {mainstay.dev/sidecars: engine}
spec: {attachRequired: true, fsGroupPolicy: File}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: netdisk}
provisioner: ` + DriverName + `
`

// Server is a disk server in a process of its own, on the machine.
type Server struct {
	// Dir has the disks and the record; Address is where hosts reach it.
	Dir, Address string

	program string
	process *exec.Cmd
}

// Start starts a disk server for a network. It ends with the test.
func Start(t testing.TB, n *network.Network) *Server {
	t.Helper()
	s := &Server{Dir: t.TempDir(), Address: n.Machine().String() + ":7000", program: filepath.Join(t.TempDir(), "netdisk")}
	build := exec.Command("go", "build", "-o", s.program, "github.com/mainstay-io/mainstay/test/netdisk/serve")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the disk server: %v: %s", err, output)
	}
	s.start(t)
	t.Cleanup(s.kill)
	return s
}

func (s *Server) start(t testing.TB) {
	t.Helper()
	s.process = exec.Command(s.program, "server", "--listen", s.Address, "--dir", s.Dir)
	s.process.Stderr = os.Stderr
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) kill() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait() // it says that it was killed
}

// Restart kills the server, and starts it again with the disks as they are.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.kill()
	s.start(t)
}

// StartDriver starts the driver on a host, as a process of the host: it ends with the
// host's power. A node is called like its host.
func (s *Server) StartDriver(t testing.TB, h *network.Host, kubeletDir string, patience time.Duration) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(h.DataDir(), "netdisk.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	command := h.Run(s.program, "driver", "--name", DriverName, "--node-name", h.Name(), "--server", s.Address,
		"--kubelet-dir", kubeletDir, "--patience", patience.String())
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = command.Wait() // it is killed, one way or the other
		close(ended)
	}()
	t.Cleanup(func() {
		if content, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("the disks' driver on %s:\n%s", h.Name(), content)
		}
		_ = command.Process.Kill()
		<-ended
	})
}

// Record is what the server has recorded so far. The test fails if two nodes had one
// disk at once.
func (s *Server) Record(t testing.TB) []netdisk.Event {
	t.Helper()
	events, err := netdisk.ReadRecord(netdisk.RecordFile(s.Dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, breach := range netdisk.Judge(events) {
		t.Error(breach)
	}
	return events
}
