// Package cli is what a person types: the commands of `mainstay`, their progress
// and their tables. It holds no decisions about pods or volumes; it asks the
// engine or the Kubernetes API and shows the answer.
package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mainstay-io/mainstay/internal/engine"
)

// dataDirVariable chooses the data directory where a flag is out of reach, as in
// `mainstay kubectl`, whose flags are all kubectl's.
const dataDirVariable = "MAINSTAY_DATA_DIR"

// options are what every command knows.
type options struct {
	dataDir string
	out     io.Writer
	errors  io.Writer
}

func (o *options) paths() engine.Paths { return engine.Paths{DataDir: o.dataDir} }

// Main runs the command line and returns the exit status: 0, or 1 after telling
// on standard error what went wrong.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := newRoot().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "mainstay:", err)
		return 1
	}
	return 0
}

func newRoot() *cobra.Command {
	// Upstream's parts leave flags there that cobra would show as ours.
	pflag.CommandLine = pflag.NewFlagSet("mainstay", pflag.ContinueOnError)
	o := &options{out: os.Stdout, errors: os.Stderr}
	root := &cobra.Command{
		Use:   "mainstay",
		Short: "Run databases, queues and other stateful applications in containers",
		Long: `Mainstay is a Kubernetes for stateful applications, in one program.

Start it, then use it like any Kubernetes:

  mainstay up                               start; returns when the node is Ready
  mainstay kubectl apply -f my-database.yaml
  mainstay status                           what runs, and what is wrong and why
  mainstay down                             stop; all data stays
  mainstay token create                     add a machine: prints what to type there`,
		Version:          engine.Version,
		SilenceUsage:     true,
		SilenceErrors:    true,
		TraverseChildren: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			absolute, err := filepath.Abs(o.dataDir)
			o.dataDir = absolute
			return err
		},
	}
	directory := os.Getenv(dataDirVariable)
	if directory == "" {
		directory = engine.DefaultDataDir
	}
	root.PersistentFlags().StringVar(&o.dataDir, "data-dir", directory,
		"where mainstay keeps its state (or set "+dataDirVariable+")")
	root.AddCommand(
		newUp(o), newDown(o), newStatus(o), newNodes(o), newToken(o), newJoin(o), newDrain(o), newLeave(o),
		newRollout(o), newAdopt(o), newKubectl(o), newKubeconfig(o), newImage(o), newSnapshot(o), newVolumes(o), newPool(o), newController(o), newVolumeDriver(o), newFence(o), newFlex(o), newKeeper(o), newExecutioner(o),
	)
	return root
}
