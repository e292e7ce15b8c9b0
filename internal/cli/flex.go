package cli

import (
	"github.com/spf13/cobra"

	"github.com/mainstay-io/mainstay/internal/engine"
)

func newFlex(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "flex CALLOUT …",
		Short: "Answer a call of kubelet's to the FlexVolume driver",
		Long: `Answer one call of kubelet's to the FlexVolume driver mainstay.dev/volume, on the
volumes of the data directory: as one JSON object, whatever happens. The exit status
is always 0. docs/flexvolume.md tells how to use the driver.

  init
  mount DIRECTORY OPTIONS
  unmount DIRECTORY
  expandfs OPTIONS DEVICE DIRECTORY NEW-SIZE OLD-SIZE`,
		Hidden:             true, // kubelet alone needs it
		DisableFlagParsing: true, // a directory or a number may begin with a dash
		RunE: func(command *cobra.Command, callout []string) error {
			if len(callout) == 1 && (callout[0] == "--help" || callout[0] == "-h") {
				return command.Help()
			}
			engine.AnswerFlexVolume(command.Context(), o.dataDir, callout, o.out)
			return nil
		},
	}
}
