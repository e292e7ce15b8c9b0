package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mainstay-io/mainstay/internal/engine"
)

func newSnapshot(o *options) *cobra.Command {
	command := &cobra.Command{
		Use:   "snapshot",
		Short: "Save and restore the state of the cluster",
		Long: `Save and restore the state of the cluster: its objects, not the data in volumes.
The file is etcd's own snapshot. Secrets in it are encrypted with a key that lies
in the data directory; keep the directory pki with the snapshot.`,
	}
	command.AddCommand(
		&cobra.Command{
			Use: "save FILE", Short: "Save the state to a file", Args: cobra.ExactArgs(1),
			RunE: func(command *cobra.Command, arguments []string) error {
				size, err := engine.SaveSnapshot(command.Context(), o.paths(), arguments[0])
				if err != nil {
					return err
				}
				fmt.Fprintf(o.out, "saved %s (%d KiB). Secrets in it need the key in %s: keep both.\n",
					arguments[0], size>>10, o.paths().Keys())
				return nil
			},
		},
		&cobra.Command{
			Use: "restore FILE", Short: "Replace the state by that of a file; Mainstay must be down", Args: cobra.ExactArgs(1),
			RunE: func(command *cobra.Command, arguments []string) error {
				if _, err := engine.NewControl(o.dataDir).State(command.Context()); err == nil {
					return errors.New("Mainstay runs; stop it first with `mainstay down`, so that no pod meets a state that changes under it")
				}
				kept, err := engine.RestoreSnapshot(o.paths(), arguments[0])
				if err != nil {
					return err
				}
				fmt.Fprintf(o.out, "restored %s. Start with `mainstay up`.\n", arguments[0])
				if kept != "" {
					fmt.Fprintf(o.out, "The state before it is kept in %s; remove it when you are sure.\n", kept)
				}
				return nil
			},
		},
	)
	return command
}
