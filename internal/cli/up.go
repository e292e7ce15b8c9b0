package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/mainstay-io/mainstay/internal/engine"
)

// upFlags are what a person may choose about an engine.
type upFlags struct {
	foreground bool
	wait       bool
	logFile    string
	nodeName   string
	nodeIP     string
	runtime    string
	etcd       engine.ExternalEtcd
}

func newUp(o *options) *cobra.Command {
	var f upFlags
	command := &cobra.Command{
		Use:   "up",
		Short: "Start Mainstay; return when the node is Ready",
		Long: `Start Mainstay in the background and return when its node is Ready.

Pods that ran before go on, or start again. Where systemd runs, Mainstay becomes
its unit mainstay.service; elsewhere it detaches itself. Starting it twice is
harmless.`,
		Example: `  mainstay up
  mainstay up --wait                  wait for the pods of all sets, too
  mainstay up --foreground            stay, log to the terminal, end with Ctrl-C
  mainstay up --data-dir /srv/mainstay`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return up(command.Context(), o, f) },
	}
	flags := command.Flags()
	flags.BoolVar(&f.foreground, "foreground", false, "do not go to the background")
	flags.BoolVar(&f.wait, "wait", false, "return only when the pods of all sets are Ready, too")
	flags.StringVar(&f.logFile, "log-file", "", "with --foreground: write the log there, not to the terminal")
	flags.StringVar(&f.nodeName, "node-name", "", "this machine's name in the cluster (default that of the last time, at first its host name)")
	flags.StringVar(&f.nodeIP, "node-ip", "", "this machine's address (default that of the default route)")
	flags.StringVar(&f.runtime, "container-runtime-endpoint", "",
		"CRI socket of a runtime that runs already, as unix:///path (default a containerd of our own)")
	flags.StringSliceVar(&f.etcd.Servers, "etcd-servers", nil, "an etcd cluster that runs already, as https://host:port,… (default one of our own)")
	flags.StringVar(&f.etcd.CAFile, "etcd-cafile", "", "certificate authority of that etcd")
	flags.StringVar(&f.etcd.CertFile, "etcd-certfile", "", "client certificate for that etcd")
	flags.StringVar(&f.etcd.KeyFile, "etcd-keyfile", "", "key of that certificate")
	command.MarkFlagsRequiredTogether("etcd-servers", "etcd-cafile", "etcd-certfile", "etcd-keyfile")
	return command
}

func up(ctx context.Context, o *options, f upFlags) error {
	config, err := f.config(o)
	if err != nil {
		return err
	}
	control := engine.NewControl(o.dataDir)
	if state, err := control.State(ctx); err == nil {
		fmt.Fprintf(o.out, "mainstay runs already (process %d, since %s).\n", state.Process, state.Started.Format(time.DateTime))
		return o.waitUntilUp(ctx, control, nil, f.wait)
	}
	if err := engine.Preflight(config); err != nil {
		return err
	}
	if f.foreground {
		return runInForeground(config, f.logFile)
	}
	launched, err := launch(config, f)
	if err != nil {
		return err
	}
	return o.waitUntilUp(ctx, control, launched, f.wait)
}

func (f upFlags) config(o *options) (engine.Config, error) {
	config := engine.Config{DataDir: o.dataDir, NodeName: f.nodeName, RuntimeEndpoint: f.runtime, Etcd: f.etcd}
	var err error
	if config.NodeName == "" {
		if config.NodeName, err = engine.DefaultNodeName(o.dataDir); err != nil {
			return config, err
		}
	}
	if f.nodeIP == "" {
		config.NodeIP, err = engine.DefaultNodeIP()
		return config, err
	}
	if config.NodeIP = net.ParseIP(f.nodeIP); config.NodeIP == nil || config.NodeIP.To4() == nil {
		return config, fmt.Errorf("--node-ip %q is not an IPv4 address", f.nodeIP)
	}
	return config, nil
}

// launched is an engine that was just started and may end early.
type launched interface {
	// ended returns nil while it runs, else why it does not.
	ended() error
}

func (o *options) waitUntilUp(ctx context.Context, control *engine.Control, started launched, pets bool) error {
	progress := newProgress(o.out)
	progress.say("starting")
	for {
		state, err := control.State(ctx)
		if err == nil && state.Ready {
			break
		}
		if err == nil {
			progress.say(state.Phase)
		}
		if started != nil {
			if err := started.ended(); err != nil {
				progress.end()
				return err
			}
		} else if err != nil {
			progress.end()
			return errors.New("the engine ended while we waited for it; its log: " + o.paths().Log())
		}
		select {
		case <-ctx.Done():
			progress.end()
			return fmt.Errorf("interrupted; the engine goes on starting in the background (see `mainstay status`)")
		case <-time.After(20 * time.Millisecond):
		}
	}
	if pets {
		if err := o.waitForPets(ctx, progress); err != nil {
			progress.end()
			return err
		}
	}
	took := progress.end()
	fmt.Fprintf(o.out, "Ready after %.1f s. Use it with `mainstay kubectl`, or export KUBECONFIG=%s\n", took.Seconds(), o.paths().Kubeconfig())
	return nil
}
