package engine

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/template"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/util/wait"
	remote "k8s.io/cri-client/pkg"
	"k8s.io/klog/v2"
)

//go:embed containerd.toml
var containerdTemplate string

// containerd is the engine's own container runtime. It runs in a session of its
// own, so that it and the pods outlive an engine that is killed; the next engine
// takes it over.
type containerd struct{ paths Paths }

func (c containerd) configFile() string { return c.paths.configFile("containerd.toml") }
func (c containerd) pidFile() string    { return filepath.Join(c.paths.run(), "containerd.pid") }
func (c containerd) logFile() string {
	return filepath.Join(filepath.Dir(c.paths.Log()), "containerd.log")
}

// cgroup is where containerd and its helpers are, one for each pod: beside the
// pods', and not in that of a systemd unit, which is to end with the engine.
func (c containerd) cgroup() string { return Instance(c.paths.DataDir) + "/runtime" }

// start returns when containerd answers. A running one is kept if its
// configuration is still what we want, else it is replaced; pods do not notice.
func (c containerd) start(ctx context.Context) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	current, _ := os.ReadFile(c.configFile())
	if c.running() != 0 && bytes.Equal(current, config) {
		return c.waitReady(ctx)
	}
	if err := c.stop(ctx); err != nil {
		return err
	}
	if err := writeFile(c.configFile(), config); err != nil {
		return err
	}
	if err := c.launch(ctx); err != nil {
		return err
	}
	return c.waitReady(ctx)
}

// supervise starts containerd again whenever it ends, until ctx ends.
func (c containerd) supervise(ctx context.Context) error {
	for {
		if err := c.waitExit(ctx); err != nil {
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

func (c containerd) launch(ctx context.Context) error {
	log, err := os.OpenFile(c.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	command := exec.Command("containerd", "--config", c.configFile())
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return fmt.Errorf("start containerd: %w", err)
	}
	ended := make(chan struct{})
	go func() { _ = command.Wait(); close(ended) }() // reap it; supervise sees that it is gone
	if err := writeFile(c.pidFile(), []byte(strconv.Itoa(command.Process.Pid))); err != nil {
		return err
	}
	// One that has ended by now is found out below.
	if err := moveToCgroup(c.cgroup(), command.Process.Pid); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	// A process that has just begun has no command line for a moment, and running
	// would not know it.
	return wait.PollUntilContextCancel(ctx, time.Millisecond, true, func(context.Context) (bool, error) {
		select {
		case <-ended:
			return false, fmt.Errorf("containerd ended at once; its log: %s", c.logFile())
		default:
			return c.running() != 0, nil
		}
	})
}

// running returns the process ID of our containerd, or 0.
func (c containerd) running() int {
	content, err := os.ReadFile(c.pidFile())
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(string(content))
	if err != nil {
		return 0
	}
	// The number may belong to another process by now: look at what it runs.
	arguments, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !strings.Contains(string(arguments), c.configFile()) {
		return 0
	}
	return pid
}

func (c containerd) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := wait.PollUntilContextCancel(ctx, 10*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		if c.running() == 0 {
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
		return fmt.Errorf("containerd does not come up (its log: %s): %w", c.logFile(), err)
	}
	return nil
}

// waitExit returns nil when containerd has ended, or an error when ctx has.
func (c containerd) waitExit(ctx context.Context) error {
	return wait.PollUntilContextCancel(ctx, 500*time.Millisecond, false, func(context.Context) (bool, error) {
		return c.running() == 0, nil
	})
}

// stop ends containerd itself. Its pods go on.
func (c containerd) stop(ctx context.Context) error {
	pid := c.running()
	if pid == 0 {
		return nil
	}
	if err := unix.Kill(pid, unix.SIGTERM); err != nil {
		return fmt.Errorf("stop containerd (process %d): %w", pid, err)
	}
	return wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
		return c.running() == 0, nil
	})
}
