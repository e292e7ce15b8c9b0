// Command serve is the disk server, or the CSI driver on a node.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/mainstay-io/mainstay/test/netdisk"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer stop()
	command := &cobra.Command{
		Use:           "netdisk",
		Short:         "Disks on the network, for tests",
		SilenceErrors: true, SilenceUsage: true,
	}
	command.AddCommand(server(), driver())
	if err := command.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "netdisk:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to undo
	}
}

func server() *cobra.Command {
	var address, dir string
	command := &cobra.Command{
		Use:   "server",
		Short: "Keep disks, and record who writes them",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			server, err := netdisk.NewServer(dir)
			if err != nil {
				return err
			}
			listener, err := net.Listen("tcp", address)
			if err != nil {
				return err
			}
			fmt.Println("serving at", listener.Addr())
			return server.Serve(command.Context(), listener)
		},
	}
	command.Flags().StringVar(&address, "listen", "", "address and port, on a network that only hosts of tests reach")
	command.Flags().StringVar(&dir, "dir", "", "directory for the disks and the record")
	return required(command, "listen", "dir")
}

func driver() *cobra.Command {
	var d netdisk.Driver
	command := &cobra.Command{
		Use:   "driver",
		Short: "Serve kubelet as a CSI driver",
		Args:  cobra.NoArgs,
		RunE:  func(command *cobra.Command, _ []string) error { return d.Plugin().Serve(command.Context()) },
	}
	command.Flags().StringVar(&d.Name, "name", "netdisk.mainstay.dev", "name of the CSIDriver")
	command.Flags().StringVar(&d.NodeName, "node-name", "", "name of this node")
	command.Flags().StringVar(&d.Server, "server", "", "address and port of the disk server")
	command.Flags().StringVar(&d.KubeletDir, "kubelet-dir", "", "kubelet's root directory")
	command.Flags().DurationVar(&d.Patience, "patience", 30*time.Second, "how long a device waits for the server before a request fails")
	return required(command, "node-name", "server", "kubelet-dir")
}

func required(command *cobra.Command, flags ...string) *cobra.Command {
	for _, flag := range flags {
		if err := command.MarkFlagRequired(flag); err != nil {
			panic(err) // the flag was misspelt above
		}
	}
	return command
}
