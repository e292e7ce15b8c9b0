package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/util"

	"github.com/mainstay-io/mainstay/internal/engine"
)

// launch starts the engine in the background: as a unit of systemd where that
// runs, else as a process of its own that outlives this one.
func launch(config engine.Config, f upFlags) (launched, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	arguments := append([]string{program, "--data-dir", config.DataDir, "up", "--foreground"}, f.arguments(config)...)
	paths := engine.Paths{DataDir: config.DataDir}
	if err := os.MkdirAll(filepath.Dir(paths.Log()), 0o700); err != nil {
		return nil, fmt.Errorf("make the log's directory: %w", err)
	}
	arguments = append(arguments, "--log-file", paths.Log())
	if util.IsRunningSystemd() {
		return launchUnit(config.DataDir, arguments)
	}
	return detach(paths, arguments)
}

// arguments repeats the choices of this command line for the engine's own. What
// was remembered the engine remembers, too.
func (f upFlags) arguments(config engine.Config) []string {
	arguments := []string{"--node-name", config.NodeName}
	for flag, value := range map[string]string{
		"node-ip": f.nodeIP, "container-runtime-endpoint": f.runtime, "etcd-servers": strings.Join(f.etcd.Servers, ","),
		"etcd-cafile": config.Etcd.CAFile, "etcd-certfile": config.Etcd.CertFile, "etcd-keyfile": config.Etcd.KeyFile,
		"feature-gates": f.gates, "watchdog": f.watchdog,
	} {
		if f.given(flag) {
			arguments = append(arguments, "--"+flag+"="+value)
		}
	}
	for _, pool := range f.pools {
		name, _, _ := strings.Cut(pool, "=")
		arguments = append(arguments, "--pool="+name+"="+config.Pools[name]) // of a pool that is forgotten the path is empty
	}
	slices.Sort(arguments[2:])
	return arguments
}

// detached is an engine in a session of its own.
type detached struct {
	exit   chan error
	stderr string
}

func detach(paths engine.Paths, arguments []string) (launched, error) {
	stderr := filepath.Join(filepath.Dir(paths.Log()), "engine.stderr")
	output, err := os.OpenFile(stderr, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	command := exec.Command(arguments[0], arguments[1:]...)
	command.Stdout, command.Stderr, command.Dir = output, output, "/"
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start the engine: %w", err)
	}
	d := &detached{exit: make(chan error, 1), stderr: stderr}
	go func() { d.exit <- command.Wait() }()
	return d, nil
}

func (d *detached) ended() error {
	select {
	case err := <-d.exit:
		d.exit <- err
		content, _ := os.ReadFile(d.stderr)
		lines := strings.Split(strings.TrimSpace(string(content)), "\n")
		last := strings.TrimPrefix(lines[len(lines)-1], "mainstay: ")
		if last == "" {
			last = fmt.Sprint(err)
		}
		return errors.New(last)
	default:
		return nil
	}
}
