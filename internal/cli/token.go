package cli

import (
	"fmt"
	"net"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/mainstay-io/mainstay/internal/engine"
)

func newToken(o *options) *cobra.Command {
	command := &cobra.Command{
		Use:   "token",
		Short: "The words with which other machines may join",
		Long: `Make, list and delete the tokens with which other machines may join this cluster.
Whoever has one can become a node, and so see what the cluster gives to nodes: hand it
over as you would a password. It ends by itself.`,
	}
	command.AddCommand(newTokenCreate(o), newTokenList(o), newTokenDelete(o))
	return command
}

func newTokenCreate(o *options) *cobra.Command {
	var ttl time.Duration
	var asServer bool
	command := &cobra.Command{
		Use:   "create",
		Short: "Make a token, and print how another machine joins with it",
		Long: `Make a token, and print the command with which another machine joins this cluster as
a node.

With --as-server it becomes a further server: it runs the API and stands by for the
server that leads. That takes an etcd cluster which all of them reach (docs/external.md).
Such a token opens the keys of the cluster: whoever has it can do anything there.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if ttl < time.Second {
				return fmt.Errorf("--ttl %v: say how long the token is good for, as 30m or 2h", ttl)
			}
			client, err := o.client()
			if err != nil {
				return err
			}
			server, err := serverAddress(o)
			if err != nil {
				return err
			}
			ends := time.Now().Add(ttl)
			create, as := engine.CreateToken, ""
			if asServer {
				create, as = engine.CreateServerToken, " --as-server"
			}
			token, err := create(command.Context(), client, o.paths(), ends)
			if err != nil {
				return explain(err)
			}
			fmt.Fprintf(o.errors, "Good until %s, for as many machines as you like. On each of them:\n\n", ends.Format(time.DateTime))
			fmt.Fprintf(o.out, "mainstay join --server %s --token %s%s\n", server, token, as)
			return nil
		},
	}
	command.Flags().DurationVar(&ttl, "ttl", time.Hour, "how long the token is good for")
	command.Flags().BoolVar(&asServer, "as-server", false, "machines become servers by it, not nodes")
	return command
}

// serverAddress is where other machines reach this one's API.
func serverAddress(o *options) (string, error) {
	choices, err := engine.RememberedChoices(o.dataDir)
	if err != nil {
		return "", err
	}
	ip, err := engine.NodeIP(choices.NodeAddress)
	return "https://" + net.JoinHostPort(ip.String(), strconv.Itoa(engine.APIPort)), err
}

func newTokenList(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Show which tokens there are, and when they end",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			client, err := o.client()
			if err != nil {
				return err
			}
			tokens, err := engine.Tokens(command.Context(), client)
			if err != nil {
				return explain(err)
			}
			if len(tokens) == 0 {
				fmt.Fprintln(o.errors, "There are none. Make one with `mainstay token create`.")
				return nil
			}
			table := tabwriter.NewWriter(o.out, 0, 0, 3, ' ', 0)
			fmt.Fprintln(table, "ID\tFOR\tENDS")
			for _, token := range tokens {
				kind := "nodes"
				if token.ForServer {
					kind = "servers"
				}
				fmt.Fprintf(table, "%s\t%s\t%s\n", token.ID, kind, endOf(token, time.Now()))
			}
			return table.Flush()
		},
	}
}

func endOf(token engine.TokenInfo, now time.Time) string {
	switch left := token.Ends.Sub(now); {
	case token.Ends.IsZero():
		return "never"
	case left <= 0:
		return "has ended"
	default:
		return fmt.Sprintf("%s (in %s)", token.Ends.Local().Format(time.DateTime), left.Round(time.Second))
	}
}

func newTokenDelete(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "delete ID",
		Short: "Make a token worthless; machines that have joined stay",
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			client, err := o.client()
			if err != nil {
				return err
			}
			if err := engine.DeleteToken(command.Context(), client, arguments[0]); err != nil {
				return explain(err)
			}
			fmt.Fprintf(o.out, "token %s deleted\n", arguments[0])
			return nil
		},
	}
}
