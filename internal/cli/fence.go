package cli

import (
	"net"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/mainstay-io/mainstay/internal/engine"
)

// newKeeper is the process that keeps this machine's lease. The engine starts it.
func newKeeper(o *options) *cobra.Command {
	var logFile, nodeName, watchdog string
	var nodeIP net.IP
	command := &cobra.Command{
		Use: engine.KeeperCommand, Short: "Keep the lease of this machine's node", Args: cobra.NoArgs,
		Hidden: true, // the engine alone needs it
		RunE: func(command *cobra.Command, _ []string) error {
			beSmall(logFile)
			return engine.RunKeeper(command.Context(), o.dataDir, nodeName, nodeIP, watchdog)
		},
	}
	command.Flags().StringVar(&logFile, "log-file", "", "where to log (default the terminal)")
	command.Flags().StringVar(&nodeName, "node-name", "", "the node")
	command.Flags().IPVar(&nodeIP, "node-ip", nil, "its address")
	command.Flags().StringVar(&watchdog, "watchdog", "", "the executioner's")
	return command
}

// newExecutioner is the process that stops pets when the keeper cannot. The keeper starts it.
func newExecutioner(o *options) *cobra.Command {
	var logFile, watchdog string
	command := &cobra.Command{
		Use: engine.ExecutionerCommand, Short: "Stop the pets of this machine when their deadline is past", Args: cobra.NoArgs,
		Hidden: true, // the keeper alone needs it
		RunE: func(command *cobra.Command, _ []string) error {
			beSmall(logFile)
			return engine.RunExecutioner(command.Context(), o.dataDir, watchdog)
		},
	}
	command.Flags().StringVar(&logFile, "log-file", "", "where to log (default the terminal)")
	command.Flags().StringVar(&watchdog, "watchdog", "", "a device that resets the machine if the pets cannot be stopped")
	return command
}

// beSmall is for processes that live as long as the machine.
func beSmall(logFile string) {
	logTo(logFile)
	debug.SetGCPercent(garbageAtWork)
	debug.FreeOSMemory() // of what the libraries' tables took while they were made
}
