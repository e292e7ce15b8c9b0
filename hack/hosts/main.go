// Command hosts makes several machines on this one, for hands that want to break
// them: `make hosts N=3` begins.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/mainstay-io/mainstay/test/hosts/network"
)

const (
	defaultName = "host"
	machine     = "machine" // the one that the hosts run on, in commands
)

// name is that of the network; who wants a second one gives it another.
var name string

func main() {
	command := &cobra.Command{
		Use:   "hosts",
		Short: "Several machines on this one, and what breaks them",
		Long: "Several machines on this one, and what breaks them.\n\n" +
			"Each has a network, mounts, cgroups and a disk of its own; process IDs and loop devices\n" +
			"are this machine's. A HOST is host-1, host-2 and so on; \"machine\" is this machine.",
		SilenceErrors: true, SilenceUsage: true,
	}
	command.AddCommand(
		makeCommand(), listCommand(), enterCommand(), removeCommand(),
		powerOff(), powerOn(), pause(), resume(), cut(), mend(), isolate(), slow(), wire(), speed(), clock(), fillDisk(), freeDisk(), hangDisk(), mendDisk(),
	)
	command.PersistentFlags().StringVar(&name, "network", defaultName, "name of the hosts, for a second network beside the first")
	command.CompletionOptions.DisableDefaultCmd = true
	if err := command.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "hosts:", err)
		os.Exit(1)
	}
}

// opened finds the network.
func opened() (*network.Network, error) {
	n, err := network.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("there are no hosts: make hosts N=3")
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, errors.New("only root can do this: try again as root")
	}
	return n, err
}

// inNetwork makes what a command does of what is done to the network.
func inNetwork(do func(n *network.Network, arguments []string) error) func(*cobra.Command, []string) error {
	return func(_ *cobra.Command, arguments []string) error {
		n, err := opened()
		if err != nil {
			return err
		}
		return do(n, arguments)
	}
}

// onHost makes what a command does of what is done to the host of its first argument.
func onHost(do func(h *network.Host, rest []string) error) func(*cobra.Command, []string) error {
	return inNetwork(func(n *network.Network, arguments []string) error {
		h, err := n.Host(arguments[0])
		if err != nil {
			return err
		}
		return do(h, arguments[1:])
	})
}

// on makes a command that does something to a host.
func on(use, short, said string, do func(*network.Host) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " HOST", Short: short, Args: cobra.ExactArgs(1),
		RunE: onHost(func(h *network.Host, _ []string) error {
			if err := do(h); err != nil {
				return err
			}
			fmt.Printf(said+"\n", h.Name())
			return nil
		}),
	}
}
