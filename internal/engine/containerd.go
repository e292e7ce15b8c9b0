package engine

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/util/wait"
	remote "k8s.io/cri-client/pkg"
	"k8s.io/klog/v2"
)

//go:embed containerd.toml
var containerdTemplate string

// containerd is the engine's own container runtime. It and the pods outlive an engine
// that is killed; the next engine takes it over.
type containerd struct{ paths Paths }

func (c containerd) configFile() string { return c.paths.configFile("containerd.toml") }

// start returns when containerd answers. A running one is kept if its
// configuration is still what we want, else it is replaced; pods do not notice.
func (c containerd) start(ctx context.Context) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	current, _ := os.ReadFile(c.configFile())
	if c.daemon().running() != 0 && bytes.Equal(current, config) {
		return c.waitReady(ctx)
	}
	if err := c.daemon().stop(ctx, unix.SIGTERM); err != nil {
		return err
	}
	if err := writeFile(c.configFile(), config); err != nil {
		return err
	}
	if err := c.daemon().launch(ctx); err != nil {
		return err
	}
	return c.waitReady(ctx)
}

// supervise starts containerd again whenever it ends, until ctx ends.
func (c containerd) supervise(ctx context.Context) error {
	for {
		if err := c.daemon().waitExit(ctx, 500*time.Millisecond); err != nil {
			return nil // ctx ended
		}
		klog.Error("containerd ended by itself; starting it again")
		if err := c.start(ctx); err != nil {
			return err
		}
	}
}

func (c containerd) config() ([]byte, error) {
	var out bytes.Buffer
	err := template.Must(template.New("containerd").Parse(containerdTemplate)).Execute(&out, map[string]any{
		"Root": c.paths.containerd(), "State": c.paths.containerdState(), "Socket": c.paths.ContainerdSocket(),
		"PauseImage": pauseImage, "CNIPlugins": cniPlugins, "CNIConfig": c.paths.cniConfig(),
		"RestrictOOMScore": !mayRaisePriority(),
	})
	return out.Bytes(), err
}

// mayRaisePriority tells whether this process may lower its oom_score_adj. Root
// without CAP_SYS_RESOURCE may not, and then no sandbox would start unless
// containerd is told to leave it alone.
func mayRaisePriority() bool {
	var data [2]unix.CapUserData
	if err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0]); err != nil {
		return false
	}
	return data[0].Effective&(1<<unix.CAP_SYS_RESOURCE) != 0
}

func (c containerd) daemon() daemon {
	return daemon{
		name: "containerd", program: "containerd", arguments: []string{"containerd", "--config", c.configFile()}, mark: c.configFile(),
		pidFile: filepath.Join(c.paths.run(), "containerd.pid"),
		logFile: c.paths.logOf("containerd"),
		// Beside the pods, with containerd's helpers: one for each pod.
		cgroup: Instance(c.paths.DataDir) + "/runtime",
	}
}

func (c containerd) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := wait.PollUntilContextCancel(ctx, 10*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		if c.daemon().running() == 0 {
			return false, errors.New("it ended at once")
		}
		if !listens(c.paths.ContainerdSocket()) {
			return false, nil
		}
		// It listens before it can answer.
		_, err := remote.NewRemoteRuntimeService(ctx, "unix://"+c.paths.ContainerdSocket(), time.Minute, nil, false)
		return err == nil, nil
	})
	if err != nil {
		return fmt.Errorf("containerd does not come up (its log: %s): %w", c.daemon().logFile, err)
	}
	return nil
}
