package cli

import (
	"context"
	"errors"
	"os"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/mainstay-io/mainstay/internal/engine"
)

func newLeave(o *options) *cobra.Command {
	var force bool
	command := &cobra.Command{
		Use:   "leave",
		Short: "Take this machine out of its cluster: a node, or one of several servers",
		Long: `Have the server move the pods of this machine to others, one by one, leaders last, as
PodDisruptionBudgets allow; then stop Mainstay here, remove the machine's Node, and
forget the cluster. It refuses, before it moves anything, while there are volumes that
lie on this machine alone. Interrupted, it may be repeated.

With --force the pods are just stopped, and the files of volumes stay in the data
directory, without a cluster that knows them.

The only server cannot leave: ` + "`mainstay down --purge`" + ` ends a cluster.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if os.Geteuid() != 0 {
				return errors.New("only root may take this machine out of its cluster: try again with sudo")
			}
			choices, err := engine.RememberedChoices(o.dataDir)
			if err != nil {
				return err
			}
			if !choices.Joined() {
				if err := engine.CheckServerLeaves(command.Context(), o.dataDir); err != nil {
					return err
				}
			}
			return leave(command.Context(), o, force)
		},
	}
	command.Flags().BoolVar(&force, "force", false, "do not move the pods, and keep the files of volumes")
	return command
}

func leave(ctx context.Context, o *options, force bool) error {
	progress := newProgress(o.out)
	defer progress.end()
	if !force {
		if err := engine.Empty(ctx, o.dataDir, uuid.NewString(), progress.say); err != nil {
			return err
		}
	}
	if err := o.stopEngine(ctx, progress); err != nil {
		return err
	}
	if err := removeUnit(o.dataDir); err != nil {
		return err
	}
	progress.say("removing this machine's Node")
	if err := engine.RemoveNode(ctx, o.dataDir); err != nil {
		if !force {
			return err
		}
		progress.say("the server keeps the Node of this machine: " + err.Error())
	}
	progress.say("cleaning up")
	kept, err := engine.Forget(ctx, o.dataDir)
	if err != nil {
		return err
	}
	if kept != "" {
		progress.say("the files of volumes stay in " + kept)
	}
	return nil
}
