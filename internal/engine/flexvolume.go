package engine

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/flex"
)

// installFlexDriver puts the FlexVolume driver where kubelet finds it. The driver
// runs this very program, so it is written at each start: the program may have
// moved meanwhile.
func installFlexDriver(paths Paths) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the path of this program: %w", err)
	}
	return flex.Install(paths.flexVolumePlugins(), flex.Installation{
		Program: program, Arguments: []string{"--data-dir", paths.DataDir, "flex"}, ErrorLog: paths.flexErrors(),
	})
}

// AnswerFlexVolume answers one call of kubelet's to the FlexVolume driver, on the
// pools of a data directory. It needs no engine.
func AnswerFlexVolume(ctx context.Context, dataDir string, command []string, out io.Writer) {
	flex.Run(ctx, func() (*volume.Pools, error) { return pools(Paths{DataDir: dataDir}) }, command, out)
}
