package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/mainstay-io/mainstay/internal/engine/drain"
)

func newDrain(o *options) *cobra.Command {
	options := drain.Options{}
	command := &cobra.Command{
		Use:   "drain NODE",
		Short: "Move all pods away from a node, one by one, leaders last",
		Long: `Move all pods away from a node, for planned work on it, and keep new ones from it.

They move one by one: first those that belong to no set; then pets, each set from its
highest ordinal down, and at the end those that a PetSet's leaderSelector selects. Each
pet must be Ready again before the next one moves. PodDisruptionBudgets are respected.
Pods of DaemonSets stay. A pet whose volume is on the node cannot run elsewhere: it waits
until the node takes pods again.

` + "`mainstay kubectl uncordon NODE`" + ` lets pods on the node again.`,
		Example: `  mainstay drain node-2`,
		Args:    cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			file, err := o.kubeconfig()
			if err != nil {
				return err
			}
			access, err := clientcmd.BuildConfigFromFlags("", file)
			if err != nil {
				return err
			}
			clients, err := drain.NewClients(access)
			if err != nil {
				return err
			}
			progress := newProgress(o.out)
			err = drain.Node(command.Context(), clients, arguments[0], options, progress.say)
			progress.end()
			if err != nil {
				return explain(err)
			}
			fmt.Fprintf(o.out, "Node %s is empty, and takes no new pods until: mainstay kubectl uncordon %s\n", arguments[0], arguments[0])
			return nil
		},
	}
	command.Flags().BoolVar(&options.Force, "force", false, "also delete pods that nobody will make again")
	command.Flags().DurationVar(&options.Back, "timeout", 5*time.Minute, "how long a pet may take to be Ready again before the rest stays")
	return command
}
