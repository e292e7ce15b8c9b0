package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/mainstay-io/mainstay/test/hosts/network"
)

func makeCommand() *cobra.Command {
	options := network.Options{}
	var mib int64
	var number int
	command := &cobra.Command{
		Use: "make", Short: "Make hosts", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if n, err := network.Open(name); err == nil {
				return fmt.Errorf("there are %d hosts already, with what is on their disks. To see them: %s. To remove them: %s", len(n.Hosts), self("list"), self("remove"))
			}
			options.DiskBytes = mib << 20
			fmt.Printf("making %d hosts with a disk of %d MiB each\n", options.Hosts, mib)
			n, err := network.New(name, number, options)
			if err != nil {
				return err
			}
			show(n)
			explain(n)
			return nil
		},
	}
	command.Flags().IntVar(&options.Hosts, "hosts", 3, "how many")
	command.Flags().IntVar(&number, "number", 200, "the addresses are 198.19.NUMBER.0/24")
	command.Flags().Int64Var(&mib, "disk", 8192, "size of each host's disk in MiB; it takes only what is written")
	return command
}

// self is how a person calls this program again, for the same network.
func self(arguments string) string {
	if name != defaultName {
		arguments += " --network " + name
	}
	return os.Args[0] + " " + arguments
}

// explain says what to do next, with commands that work as they stand.
func explain(n *network.Network) {
	first, last := n.Hosts[0].Name(), n.Hosts[len(n.Hosts)-1].Name()
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "\nTo do this\trun this\tand to undo it")
	for _, row := range [][3]string{
		{"enter one: a shell, or a program after --", "enter " + first, "exit"},
		{"cut its power, unsynced data is lost", "power-off " + first, "power-on " + first},
		{"let it stand still", "pause " + first, "resume " + first},
		{"pull its cable", "isolate " + first, "mend"},
		{"cut one way from another", "cut --one-way " + first + " " + last, "mend"},
		{"delay its packets", "slow --delay 50ms " + first, "speed " + first},
		{"step the clock of what runs there", "clock " + first + " 1h", "clock " + first + " 0s"},
		{"fill its disk", "fill-disk " + first, "free-disk " + first},
		{"let its disk hang", "hang-disk " + first, "mend-disk " + first},
		{"see how they are", "list", ""},
		{"remove all of it, disks included", "remove", ""},
	} {
		if row[2] != "" && row[2] != "exit" {
			row[2] = self(row[2])
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", row[0], self(row[1]), row[2])
	}
	_ = table.Flush() // to whoever asked
}

func listCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the hosts, and what is wrong with them", Args: cobra.NoArgs,
		RunE: inNetwork(func(n *network.Network, _ []string) error { show(n); return nil }),
	}
}

func show(n *network.Network) {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "NAME\tADDRESS\tSTATE\tDISK")
	fmt.Fprintf(table, "%s\t%s\tthis machine\t-\n", machine, n.Machine())
	for _, h := range n.Hosts {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", h.Name(), h.IP(), strings.Join(h.State(), ", "), h.DataDir())
	}
	_ = table.Flush() // to whoever asked
	cuts, err := n.Cuts()
	if err != nil {
		fmt.Fprintln(os.Stderr, "hosts:", err)
	}
	for _, cut := range cuts {
		fmt.Printf("cut: what %s sends does not reach %s\n", nameOf(cut[0]), nameOf(cut[1]))
	}
}

func nameOf(h *network.Host) string {
	if h == nil {
		return machine
	}
	return h.Name()
}

func enterCommand() *cobra.Command {
	return &cobra.Command{
		Use: "enter HOST [-- PROGRAM [ARGUMENT...]]", Short: "Run a program on a host, or a shell", Args: cobra.MinimumNArgs(1),
		RunE: onHost(func(h *network.Host, program []string) error {
			if !h.On() {
				return fmt.Errorf("%s has no power: %s", h.Name(), self("power-on "+h.Name()))
			}
			environment := append(os.Environ(), "MAINSTAY_DATA_DIR="+h.DataDir()+"/mainstay", "KUBECONFIG=")
			return syscall.Exec(h.Enter(), append([]string{h.Enter()}, program...), environment)
		}),
	}
}

func removeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "remove", Short: "Remove all hosts and their disks", Args: cobra.NoArgs,
		RunE: inNetwork(func(n *network.Network, _ []string) error {
			if err := n.Remove(); err != nil {
				return errors.Join(err, errors.New("what is left can be removed by trying again"))
			}
			fmt.Printf("removed %d hosts\n", len(n.Hosts))
			return nil
		}),
	}
}
