package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mainstay-io/mainstay/internal/engine"
)

func newDown(o *options) *cobra.Command {
	var purge, yes bool
	command := &cobra.Command{
		Use:   "down",
		Short: "Stop Mainstay and its pods; all data stays",
		Long: `Stop the pods of this machine in order (those of sets from the highest ordinal
down), then Mainstay itself. All data stays: the next ` + "`mainstay up`" + ` starts the same
pods again, on the same volumes. What a pod keeps in an emptyDir goes, as ever.

With --purge the data is removed as well, and nothing is left on this machine:
no process, mount, network device, packet rule, cgroup or file.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if os.Geteuid() != 0 {
				return errors.New("only root may stop Mainstay: try again with sudo")
			}
			kept, err := keptElsewhere(o.dataDir)
			if err != nil {
				return err
			}
			if purge && !yes {
				if err := confirmPurge(os.Stdin, o.out, o.dataDir, kept); err != nil {
					return err
				}
			}
			if err := down(command.Context(), o, purge); err != nil {
				return err
			}
			if purge {
				fmt.Fprint(o.out, kept)
			}
			return nil
		},
	}
	command.Flags().BoolVar(&purge, "purge", false, "remove all data too: volumes, images, the cluster's state")
	command.Flags().BoolVar(&yes, "yes", false, "with --purge: do not ask")
	return command
}

// keptElsewhere tells, a line for each, what purging leaves to its owner.
func keptElsewhere(dataDir string) (string, error) {
	choices, err := engine.RememberedChoices(dataDir)
	kept := ""
	if choices.Joined() {
		kept += fmt.Sprintf("The cluster at %s keeps its Node for this machine. (`mainstay leave`, before, would have taken it out.) On the server: mainstay kubectl delete node\n", choices.Server)
	}
	if choices.Etcd.Configured() {
		kept += fmt.Sprintf("The etcd cluster at %s keeps its data. Other servers go on with it; on one of them: mainstay kubectl delete node NAME. "+
			"If there is none, nobody can use it without %s; remove it with: etcdctl del --prefix /registry/\n", choices.Etcd, dataDir)
	}
	if choices.RuntimeEndpoint != "" {
		kept += fmt.Sprintf("The container runtime at %s keeps its images.\n", choices.RuntimeEndpoint)
	}
	for _, name := range slices.Sorted(maps.Keys(choices.Pools)) {
		kept += fmt.Sprintf("The pool %s at %s keeps its volumes and snapshots.\n", name, choices.Pools[name])
	}
	return kept, err
}

// confirmPurge asks for the directory's name, since what goes is gone for good.
func confirmPurge(in io.Reader, out io.Writer, dataDir, kept string) error {
	fmt.Fprintf(out, "This removes all volumes, images and the state of the cluster in %s, for good.\n%sType yes to go on: ", dataDir, kept)
	answer, _ := bufio.NewReader(in).ReadString('\n')
	if strings.TrimSpace(answer) != "yes" {
		return errors.New("not confirmed; nothing was changed (in a script, say --yes)")
	}
	return nil
}

func down(ctx context.Context, o *options, purge bool) error {
	progress := newProgress(o.out)
	defer progress.end()
	if err := o.stopEngine(ctx, progress); err != nil {
		return err
	}
	progress.say("cleaning up")
	if err := removeUnit(o.dataDir); err != nil {
		return err
	}
	if purge {
		return engine.Purge(ctx, o.dataDir)
	}
	return engine.Clean(ctx, o.dataDir)
}

// stopEngine asks a running engine to stop, and waits until it is gone.
func (o *options) stopEngine(ctx context.Context, progress *progress) error {
	control := engine.NewControl(o.dataDir)
	state, err := control.State(ctx)
	if err != nil {
		progress.say("no engine runs on " + o.dataDir)
		return nil
	}
	if err := control.Stop(ctx, progress.say); err != nil {
		return err
	}
	for {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", state.Process)); os.IsNotExist(err) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
