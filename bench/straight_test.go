package bench

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	remote "k8s.io/cri-client/pkg"

	"github.com/mainstay-io/mainstay/internal/engine"
	"github.com/mainstay-io/mainstay/test/hosts"
)

// straight starts pods over CRI, on the engine's own containerd and with its pod
// network and image: what no Kubernetes on this runtime can beat in order.
type straight struct {
	host    *hosts.Host
	runtime internalapi.RuntimeService
}

// timeStraightPods starts pods one after another, each once the one before has
// answered, returns how long it took in seconds, and removes them. Meanwhile the
// engine is frozen: its kubelet would remove pods that it does not know.
func timeStraightPods(b *testing.B, h *hosts.Host, count int) float64 {
	b.Helper()
	paths := engine.Paths{DataDir: h.DataDir}
	runtime, err := remote.NewRemoteRuntimeService(b.Context(), "unix://"+paths.ContainerdSocket(), time.Minute, nil, false)
	if err != nil {
		b.Fatal(err)
	}
	defer freeze(b, h.EnginePID(b))()
	s := straight{h, runtime}
	var sandboxes []string
	begun := time.Now()
	for i := range count {
		sandboxes = append(sandboxes, s.start(b, fmt.Sprintf("straight-%d", i)))
	}
	took := time.Since(begun).Seconds()
	for _, sandbox := range sandboxes {
		s.remove(b, sandbox)
	}
	return took
}

// freeze stops a process and returns what lets it go on.
func freeze(b *testing.B, pid int) func() {
	b.Helper()
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		b.Fatal(err)
	}
	return func() {
		if err := unix.Kill(pid, unix.SIGCONT); err != nil {
			b.Fatal(err)
		}
		time.Sleep(settle)
	}
}

// start returns the sandbox when its web server has answered.
func (s straight) start(b *testing.B, name string) string {
	b.Helper()
	logs := filepath.Join(s.host.DataDir, "log", "pods", name)
	pod := &runtimeapi.PodSandboxConfig{
		Metadata:     &runtimeapi.PodSandboxMetadata{Name: name, Namespace: namespace, Uid: name},
		Hostname:     name,
		LogDirectory: logs,
		Linux:        &runtimeapi.LinuxPodSandboxConfig{CgroupParent: "/" + engine.Instance(s.host.DataDir)},
	}
	sandbox, err := s.runtime.RunPodSandbox(b.Context(), pod, "")
	if err != nil {
		b.Fatal(err)
	}
	container, err := s.runtime.CreateContainer(b.Context(), sandbox, &runtimeapi.ContainerConfig{
		Metadata: &runtimeapi.ContainerMetadata{Name: "web"},
		Image:    &runtimeapi.ImageSpec{Image: hosts.BusyboxImage},
		Command:  webCommand,
		LogPath:  "web.log",
		Linux:    &runtimeapi.LinuxContainerConfig{},
	}, pod)
	if err != nil {
		b.Fatal(err)
	}
	if err := s.runtime.StartContainer(b.Context(), container); err != nil {
		b.Fatal(err)
	}
	status, err := s.runtime.PodSandboxStatus(b.Context(), sandbox, false)
	if err != nil {
		b.Fatal(err)
	}
	waitForAnswer(b, s.host, status.Status.Network.Ip)
	return sandbox
}

func (s straight) remove(b *testing.B, sandbox string) {
	b.Helper()
	if err := s.runtime.StopPodSandbox(b.Context(), sandbox); err != nil {
		b.Fatal(err)
	}
	if err := s.runtime.RemovePodSandbox(b.Context(), sandbox); err != nil {
		b.Fatal(err)
	}
}
