package cli

import (
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/mainstay-io/mainstay/internal/engine"
)

func newPool(o *options) *cobra.Command {
	command := &cobra.Command{
		Use:   "pool",
		Short: "The places on this machine from which volumes are cut",
	}
	var each time.Duration
	probe := &cobra.Command{
		Use:   "probe [NAME]",
		Short: "Measure how fast a pool is, so that it can promise performance",
		Long: `Measure how fast a pool of volumes of this machine is, and remember it: the one of
that name, or the default one. From then on claims may ask for guaranteed
performance; a pool that was never measured promises nothing. Do it while little else
uses the disk: what others take is not measured. It needs 512 MiB that are free, or
half of what is free, and gives them back.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			if os.Geteuid() != 0 {
				return errors.New("only root can measure the pool: try again with sudo")
			}
			if each <= 0 {
				return fmt.Errorf("--each %v: each measurement takes some time; write 3s, say", each)
			}
			name := engine.DefaultPool
			if len(args) > 0 {
				name = args[0]
			}
			begun := time.Now()
			envelope, err := engine.ProbePool(command.Context(), o.paths(), name, each, func(doing string) {
				fmt.Fprintf(o.errors, "%5.1fs  %s\n", time.Since(begun).Seconds(), doing)
			})
			if err != nil {
				return err
			}
			return printEnvelope(o, envelope)
		},
	}
	probe.Flags().DurationVar(&each, "each", 3*time.Second, "how long each of the five measurements takes")
	command.AddCommand(probe)
	return command
}

func printEnvelope(o *options, e engine.PoolEnvelope) error {
	table := tabwriter.NewWriter(o.out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "\tREAD\tWRITTEN DURABLY")
	fmt.Fprintf(table, "blocks of 4 KiB at random\t%d IOPS\t%d IOPS\n", e.ReadIOPS, e.WriteIOPS)
	fmt.Fprintf(table, "blocks of 1 MiB in order\t%d MiB/s\t%d MiB/s\n", e.ReadThroughput>>20, e.WriteThroughput>>20)
	fmt.Fprintf(table, "one block of 4 KiB takes\t\t%v, 1 of 100 more than %v\n", e.WriteLatency.Round(time.Microsecond), e.WriteLatencyP99.Round(time.Microsecond))
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(o.out, "\nThe pool can now promise its volumes %d IOPS, or %d MiB/s, in all: four fifths of the lower figures.\n",
		e.IOPS()*4/5, e.Throughput()*4/5>>20)
	return nil
}
