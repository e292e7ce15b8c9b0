package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
	if util.IsRunningSystemd() {
		return launchUnit(arguments)
	}
	return detach(config, arguments)
}

// arguments repeats the choices of this command line for the engine's own.
func (f upFlags) arguments(config engine.Config) []string {
	arguments := []string{"--node-name", config.NodeName}
	if f.nodeIP != "" {
		arguments = append(arguments, "--node-ip", f.nodeIP)
	}
	if f.runtime != "" {
		arguments = append(arguments, "--container-runtime-endpoint", f.runtime)
	}
	if len(f.etcd.Servers) > 0 {
		arguments = append(arguments, "--etcd-servers", strings.Join(f.etcd.Servers, ","),
			"--etcd-cafile", f.etcd.CAFile, "--etcd-certfile", f.etcd.CertFile, "--etcd-keyfile", f.etcd.KeyFile)
	}
	return arguments
}

// detached is an engine in a session of its own.
type detached struct {
	exit   chan error
	stderr string
}

func detach(config engine.Config, arguments []string) (launched, error) {
	paths := engine.Paths{DataDir: config.DataDir}
	if err := os.MkdirAll(filepath.Dir(paths.Log()), 0o700); err != nil {
		return nil, fmt.Errorf("make the log's directory: %w", err)
	}
	stderr := filepath.Join(filepath.Dir(paths.Log()), "engine.stderr")
	output, err := os.OpenFile(stderr, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	command := exec.Command(arguments[0], append(arguments[1:], "--log-file", paths.Log())...)
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
