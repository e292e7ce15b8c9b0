package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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
	etcd       engine.EtcdAccess
	gates      string
	pools      []string
	watchdog   string
	given      func(flag string) bool
}

func newUp(o *options) *cobra.Command {
	var f upFlags
	command := &cobra.Command{
		Use:   "up",
		Short: "Start Mainstay; return when the node is Ready",
		Long: `Start Mainstay in the background and return when its node is Ready.

Pods that ran before go on, or start again. Where systemd runs, Mainstay becomes
its unit mainstay.service; elsewhere it detaches itself. Starting it twice is
harmless.

It remembers --node-name, --node-ip, --container-runtime-endpoint, --feature-gates,
each --pool, --watchdog and the etcd flags: say them once. An empty value takes the default
again; --pool NAME= forgets a pool, and leaves what is in it.

A container runtime that runs already must hold no other pods, for kubelet ends
those that it does not know. (Containers of Docker or nerdctl are no pods.) Where
there is no registry, set its sandbox_image to mainstay.dev/pause:1. An etcd that
runs already must hold no other Kubernetes. docs/external.md tells more of both.`,
		Example: `  mainstay up
  mainstay up --wait                  wait for the pods of all sets, too
  mainstay up --foreground            stay, log to the terminal, end with Ctrl-C
  mainstay up --data-dir /srv/mainstay
  mainstay up --pool fast=/dev/nvme1n1 --pool archive=/mnt/archive
  mainstay up --feature-gates MaxUnavailableStatefulSet=true
  mainstay up --container-runtime-endpoint unix:///run/containerd/containerd.sock
  mainstay up --etcd-servers https://10.0.0.1:2379,https://10.0.0.2:2379,https://10.0.0.3:2379 \
    --etcd-cafile ca.crt --etcd-certfile client.crt --etcd-keyfile client.key`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if f.logFile != "" && !f.foreground {
				return errors.New("--log-file goes with --foreground; the log of an engine in the background is " + o.paths().Log())
			}
			return up(command.Context(), o, f)
		},
	}
	f.add(command.Flags())
	command.MarkFlagsMutuallyExclusive("foreground", "wait")
	command.MarkFlagsRequiredTogether("etcd-servers", "etcd-cafile", "etcd-certfile", "etcd-keyfile")
	return command
}

func (f *upFlags) add(flags *pflag.FlagSet) {
	f.addMachine(flags)
	flags.BoolVar(&f.foreground, "foreground", false, "do not go to the background")
	flags.BoolVar(&f.wait, "wait", false, "return only when the pods of all sets are Ready, too")
	flags.StringVar(&f.logFile, "log-file", "", "with --foreground: write the log there, not to the terminal")
	flags.StringSliceVar(&f.etcd.Servers, "etcd-servers", nil, "an etcd cluster that runs already, as https://host:port,… (default one of our own)")
	flags.StringVar(&f.etcd.CAFile, "etcd-cafile", "", "certificate authority of that etcd")
	flags.StringVar(&f.etcd.CertFile, "etcd-certfile", "", "client certificate for that etcd")
	flags.StringVar(&f.etcd.KeyFile, "etcd-keyfile", "", "key of that certificate")
}

// addMachine adds what may be chosen on every machine of a cluster.
func (f *upFlags) addMachine(flags *pflag.FlagSet) {
	f.given = flags.Changed
	flags.StringVar(&f.nodeName, "node-name", "", "this machine's name in the cluster (default that of the last time, at first its host name)")
	flags.StringVar(&f.nodeIP, "node-ip", "", "this machine's address (default that of the default route)")
	flags.StringVar(&f.runtime, "container-runtime-endpoint", "",
		"CRI socket of a runtime that runs already, as unix:///path (default a containerd of our own)")
	flags.StringArrayVar(&f.pools, "pool", nil, "a further pool of volumes, as NAME=PATH: of a directory, or of an empty block device (may be repeated)")
	addWatchdogFlag(flags, &f.watchdog)
	flags.StringVar(&f.gates, "feature-gates", "", "Kubernetes' feature gates, as NAME=true,NAME=false (default those of Kubernetes)")
}

func up(ctx context.Context, o *options, f upFlags) error {
	config, err := f.config(o)
	if err != nil {
		return err
	}
	control := engine.NewControl(o.dataDir)
	if state, err := control.State(ctx); err == nil {
		if err := checkSame(config); err != nil {
			return err
		}
		fmt.Fprintf(o.out, "mainstay runs already (process %d, since %s).\n", state.Process, state.Started.Format(time.DateTime))
		return o.waitUntilUp(ctx, control, nil, f.wait)
	}
	if !startedAgain() { // else it was found fit before, and must go on whatever is away just now
		if err := engine.Preflight(ctx, config); err != nil {
			return err
		}
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
	config := engine.Config{DataDir: o.dataDir, NodeName: f.nodeName}
	var err error
	if config.NodeName == "" {
		if config.NodeName, err = engine.DefaultNodeName(o.dataDir); err != nil {
			return config, err
		}
	}
	if config.Choices, err = f.choices(o.dataDir); err != nil {
		return config, err
	}
	config.NodeIP, err = engine.NodeIP(config.NodeAddress)
	return config, err
}

// choices are those of the last start, but for what is said otherwise now.
func (f upFlags) choices(dataDir string) (engine.Choices, error) {
	choices, err := engine.RememberedChoices(dataDir)
	if err != nil {
		return choices, err
	}
	if f.given("node-ip") {
		choices.NodeAddress = f.nodeIP
	}
	if f.given("container-runtime-endpoint") {
		choices.RuntimeEndpoint = f.runtime
	}
	if f.given("feature-gates") {
		choices.FeatureGates = f.gates
	}
	if f.given("watchdog") {
		choices.Watchdog = f.watchdog
		if err := engine.CheckWatchdog(f.watchdog); err != nil {
			return choices, err
		}
	}
	if choices.Pools, err = withPools(choices.Pools, f.pools); err != nil {
		return choices, err
	}
	if choices.Joined() && (f.wait || f.given("etcd-servers")) {
		return choices, fmt.Errorf("this machine is a node of the cluster at %s: --wait and --etcd-servers are for the server", choices.Server)
	}
	if f.given("etcd-servers") {
		choices.Etcd = f.etcd
		if len(f.etcd.Servers) == 0 {
			choices.Etcd = engine.EtcdAccess{}
			return choices, nil
		}
		for _, file := range []*string{&choices.Etcd.CAFile, &choices.Etcd.CertFile, &choices.Etcd.KeyFile} {
			if *file, err = filepath.Abs(*file); err != nil {
				return choices, err
			}
		}
	}
	return choices, nil
}

// withPools adds pools said as NAME=PATH to those that there are, and takes away
// those said as NAME=.
func withPools(pools map[string]string, said []string) (map[string]string, error) {
	changed := maps.Clone(pools)
	for _, pool := range said {
		name, path, ok := strings.Cut(pool, "=")
		switch {
		case !ok || name == "":
			return nil, fmt.Errorf("--pool %s: say it as NAME=PATH", pool)
		case name == engine.DefaultPool:
			return nil, fmt.Errorf("--pool %s: the pool %s is in the data directory; choose another name", pool, name)
		case path == "":
			delete(changed, name)
			continue
		}
		path, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		if changed == nil {
			changed = map[string]string{}
		}
		changed[name] = path
	}
	if len(changed) == 0 {
		return nil, nil
	}
	return changed, nil
}

// checkSame refuses other choices than those with which the engine runs.
func checkSame(config engine.Config) error {
	running, err := engine.RememberedChoices(config.DataDir)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(running, config.Choices) {
		return errors.New("mainstay runs already, with another address, container runtime, etcd, feature gates, pools or watchdog: `mainstay down` first, then up as you wish")
	}
	return nil
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
	choices, err := engine.RememberedChoices(o.dataDir)
	if err != nil {
		return err
	}
	if choices.Joined() {
		fmt.Fprintf(o.out, "Ready after %.1f s. This machine is a node of the cluster at %s\n", took.Seconds(), choices.Server)
		return nil
	}
	fmt.Fprintf(o.out, "Ready after %.1f s. Use it with `mainstay kubectl`, or export KUBECONFIG=%s\n", took.Seconds(), o.paths().Kubeconfig())
	return nil
}
