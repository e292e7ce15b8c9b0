package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	remote "k8s.io/cri-client/pkg"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// Somebody's own containerd, which has a network already.
const (
	somebodysConfig = `version = 2
root = "DIR/root"
state = "DIR/state"
disabled_plugins = [DISABLED]

[grpc]
  address = "DIR/containerd.sock"

[plugins."io.containerd.internal.v1.opt"]
  path = "DIR/opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "mainstay.dev/pause:1"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true

  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
    SystemdCgroup = SYSTEMD

  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "PLUGINS"
    conf_dir = "DIR/cni"
`
	somebodysNetwork = `{"cniVersion": "1.0.0", "name": "somebodys", "plugins": [{"type": "ptp",
  "ipam": {"type": "host-local", "dataDir": "DIR/ipam", "ranges": [[{"subnet": "10.99.0.0/24"}]],
  "routes": [{"dst": "0.0.0.0/0"}]}}]}`
)

// somebodysContainerd is a container runtime that Mainstay did not start.
type somebodysContainerd struct {
	host      *hosts.Host
	directory string
	process   *exec.Cmd
}

// startContainerd starts one with a configuration in which words are replaced.
func startContainerd(t *testing.T, h *hosts.Host, words ...string) *somebodysContainerd {
	t.Helper()
	c := &somebodysContainerd{host: h, directory: t.TempDir()}
	words = append(words, "DIR", c.directory, "DISABLED", "", "SYSTEMD", "false", "PLUGINS", "/usr/lib/cni")
	replace := strings.NewReplacer(words...).Replace
	write := func(name, content string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(c.directory, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(c.directory, name), []byte(replace(content)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("config.toml", somebodysConfig)
	write("cni/10-somebodys.conflist", somebodysNetwork)
	log, err := os.Create(filepath.Join(c.directory, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c.process = h.Run("containerd", "--config", filepath.Join(c.directory, "config.toml"))
	c.process.Stdout, c.process.Stderr = log, log
	if err := c.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.process.Process.Signal(syscall.SIGTERM); _ = c.process.Wait() })
	hosts.Eventually(t, 20*time.Second, func(context.Context) error {
		return exec.Command("ctr", "--address", c.socket(), "version").Run()
	})
	return c
}

func (c *somebodysContainerd) socket() string   { return filepath.Join(c.directory, "containerd.sock") }
func (c *somebodysContainerd) endpoint() string { return "unix://" + c.socket() }

func (c *somebodysContainerd) flags() []string {
	return []string{"--container-runtime-endpoint", c.endpoint()}
}

// ctr runs containerd's own tool, which knows nothing of Kubernetes.
func (c *somebodysContainerd) ctr(t *testing.T, arguments ...string) string {
	t.Helper()
	return c.host.Output(t, "ctr", append([]string{"--address", c.socket()}, arguments...)...)
}

func (c *somebodysContainerd) service(t *testing.T) internalapi.RuntimeService {
	t.Helper()
	return c.serviceUntil(t.Context(), t)
}

// serviceUntil may be used until ctx ends, as in a test's cleanup.
func (c *somebodysContainerd) serviceUntil(ctx context.Context, t *testing.T) internalapi.RuntimeService {
	t.Helper()
	service, err := remote.NewRemoteRuntimeService(ctx, c.endpoint(), time.Minute, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	return service
}

// pods lists the pods of the runtime, whosever they are.
func (c *somebodysContainerd) pods(t *testing.T) []string {
	t.Helper()
	sandboxes, err := c.service(t).ListPodSandbox(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, sandbox := range sandboxes {
		names = append(names, sandbox.Metadata.Name)
	}
	return names
}

// runPod makes a pod that is not Mainstay's, on the host's own network. The
// returned function removes it.
func (c *somebodysContainerd) runPod(t *testing.T, name string) func() {
	t.Helper()
	service := c.service(t)
	id, err := service.RunPodSandbox(t.Context(), &runtimeapi.PodSandboxConfig{
		Metadata: &runtimeapi.PodSandboxMetadata{Name: name, Namespace: "somebodys", Uid: "somebodys-" + name},
		Linux: &runtimeapi.LinuxPodSandboxConfig{SecurityContext: &runtimeapi.LinuxSandboxSecurityContext{
			NamespaceOptions: &runtimeapi.NamespaceOption{Network: runtimeapi.NamespaceMode_NODE},
		}},
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := errors.Join(service.StopPodSandbox(context.Background(), id), service.RemovePodSandbox(context.Background(), id)); err != nil {
			t.Error(err)
		}
	}
}

// runContainer makes a container that is no pod, as Docker's are none, and
// returns how to tell whether it still runs. It ends with the test.
func (c *somebodysContainerd) runContainer(t *testing.T) (runs func() error) {
	t.Helper()
	c.ctr(t, "--namespace", "somebodys", "images", "import", hosts.WriteBusyboxImage(t))
	c.ctr(t, "--namespace", "somebodys", "run", "--detach", hosts.BusyboxImage, "database", "/bin/sleep", "1000000")
	t.Cleanup(func() {
		c.ctr(t, "--namespace", "somebodys", "task", "delete", "--force", "database")
		c.ctr(t, "--namespace", "somebodys", "container", "delete", "database")
	})
	return func() error {
		if tasks := c.ctr(t, "--namespace", "somebodys", "task", "list"); !strings.Contains(tasks, "RUNNING") {
			return fmt.Errorf("the container that is no pod does not run any more:\n%s", tasks)
		}
		return nil
	}
}
