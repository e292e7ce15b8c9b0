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
	var asServer bool
	command := &cobra.Command{
		Use:   "join --server https://HOST:6443 --token TOKEN",
		Short: "Make this machine a node, or a server, of a cluster that runs elsewhere",
		Long: `Make this machine a node of the cluster at the server, start Mainstay in the
background, and return when the node is Ready. ` + "`mainstay token create`" + ` on the server
prints the whole command.

The token holds a hash of the key of the cluster's certificate authority: it is shown
to no other server, and not kept. After that a plain ` + "`mainstay up`" + ` starts this
machine again, ` + "`mainstay down`" + ` stops it, and ` + "`mainstay leave`" + ` takes it out of the
cluster. Repeating a join that was interrupted is harmless.

With --as-server, and a token for it, the machine becomes a further server on the same
etcd cluster, which it must reach. One server leads; when it is lost another one does.`,
		Example: `  mainstay join --server https://10.0.0.1:6443 --token-file token
  mainstay join --server https://10.0.0.1:6443 --token TOKEN --pool fast=/dev/nvme1n1
  mainstay join --server https://10.0.0.1:6443 --token TOKEN --as-server`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if tokenFile != "" {
				content, err := os.ReadFile(tokenFile)
				if err != nil {
					return fmt.Errorf("--token-file: %w", err)
				}
				token = strings.TrimSpace(string(content))
			}
			return joinCluster(command.Context(), o, f, server, token, asServer)
		},
	}
	flags := command.Flags()
	flags.StringVar(&server, "server", "", "where the cluster's API is, as https://HOST:6443")
	flags.StringVar(&token, "token", "", "what `mainstay token create` printed on the server")
	flags.StringVar(&tokenFile, "token-file", "", "a file that holds the token, which other users' `ps` then does not show")
	flags.BoolVar(&asServer, "as-server", false, "become a further server; it takes what `mainstay token create --as-server` printed")
	f.addMachine(flags)
	_ = command.MarkFlagRequired("server") // it fails for flags that are not there
	command.MarkFlagsOneRequired("token", "token-file")
	command.MarkFlagsMutuallyExclusive("token", "token-file")
	return command
}

func joinCluster(ctx context.Context, o *options, f upFlags, address, word string, asServer bool) error {
	server, err := join.ParseServer(address)
	if err != nil {
		return err
	}
	token, err := join.ParseToken(word)
	if err != nil {
		return err
	}
	if err := checkPurpose(token, asServer); err != nil {
		return err
	}
	config, err := f.config(o)
	if err != nil {
		return err
	}
	if state, err := engine.NewControl(o.dataDir).State(ctx); err == nil {
		return fmt.Errorf("mainstay runs on this machine already (process %d): stop it with `mainstay down`, or see `mainstay status`", state.Process)
	}
	if config.Etcd.Configured() && !asServer {
		return errors.New("this machine was started with --etcd-servers: a machine that joins has no state of its own; `mainstay down --purge` first, or choose another --data-dir")
	}
	if err := engine.PreflightJoin(ctx, config, asServer); err != nil {
		return err
	}
	become := engine.Join
	if asServer {
		become = engine.JoinAsServer
	}
	progress := newProgress(o.out)
	err = become(ctx, config, server, token, progress.say)
	progress.end()
	if err != nil {
		return err
	}
	return up(ctx, o, f)
}

// checkPurpose: what a token is for and what is asked for are the same.
func checkPurpose(token join.Token, asServer bool) error {
	switch {
	case asServer && !token.ForServer():
		return errors.New("this token makes nodes: `mainstay token create --as-server` on a server makes one for --as-server")
	case !asServer && token.ForServer():
		return errors.New("this token makes servers: say --as-server, or take one that `mainstay token create` makes")
	}
	return nil
}
