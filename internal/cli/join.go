package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mainstay-io/mainstay/internal/engine"
	"github.com/mainstay-io/mainstay/internal/engine/join"
)

func newJoin(o *options) *cobra.Command {
	var f upFlags
	var server, token, tokenFile string
	command := &cobra.Command{
		Use:   "join --server https://HOST:6443 --token TOKEN",
		Short: "Make this machine a node of a cluster that runs elsewhere",
		Long: `Make this machine a node of the cluster at the server, start Mainstay in the
background, and return when the node is Ready. ` + "`mainstay token create`" + ` on the server
prints the whole command.

The token holds a hash of the key of the cluster's certificate authority: it is shown
to no other server, and not kept. After that a plain ` + "`mainstay up`" + ` starts this
machine again, ` + "`mainstay down`" + ` stops it, and ` + "`mainstay leave`" + ` takes it out of the
cluster. Repeating a join that was interrupted is harmless.`,
		Example: `  mainstay join --server https://10.0.0.1:6443 --token-file token
  mainstay join --server https://10.0.0.1:6443 --token TOKEN --pool fast=/dev/nvme1n1`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if tokenFile != "" {
				content, err := os.ReadFile(tokenFile)
				if err != nil {
					return fmt.Errorf("--token-file: %w", err)
				}
				token = strings.TrimSpace(string(content))
			}
			return joinCluster(command.Context(), o, f, server, token)
		},
	}
	flags := command.Flags()
	flags.StringVar(&server, "server", "", "where the cluster's API is, as https://HOST:6443")
	flags.StringVar(&token, "token", "", "what `mainstay token create` printed on the server")
	flags.StringVar(&tokenFile, "token-file", "", "a file that holds the token, which other users' `ps` then does not show")
	f.addMachine(flags)
	_ = command.MarkFlagRequired("server") // it fails for flags that are not there
	command.MarkFlagsOneRequired("token", "token-file")
	command.MarkFlagsMutuallyExclusive("token", "token-file")
	return command
}

func joinCluster(ctx context.Context, o *options, f upFlags, address, word string) error {
	server, err := join.ParseServer(address)
	if err != nil {
		return err
	}
	token, err := join.ParseToken(word)
	if err != nil {
		return err
	}
	config, err := f.config(o)
	if err != nil {
		return err
	}
	if state, err := engine.NewControl(o.dataDir).State(ctx); err == nil {
		return fmt.Errorf("mainstay runs on this machine already (process %d): stop it with `mainstay down`, or see `mainstay status`", state.Process)
	}
	if config.Etcd.Configured() {
		return errors.New("this machine was started with --etcd-servers: a machine that joins has no state of its own; `mainstay down --purge` first, or choose another --data-dir")
	}
	config.Server = server.String()
	if err := engine.PreflightJoin(ctx, config); err != nil {
		return err
	}
	progress := newProgress(o.out)
	err = engine.Join(ctx, config, server, token, progress.say)
	progress.end()
	if err != nil {
		return err
	}
	return up(ctx, o, f)
}
