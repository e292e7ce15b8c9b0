package cli

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/mainstay-io/mainstay/internal/engine"
)

func newImage(o *options) *cobra.Command {
	command := &cobra.Command{
		Use:   "image",
		Short: "Images on this machine, for when there is no registry",
	}
	command.AddCommand(newImageImport(o), newImageList(o))
	return command
}

func newImageImport(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE…",
		Short: "Load the images of a tar file, so that pods can use them",
		Long: `Load the images of a tar file, as docker save, podman save and buildah push write
them. A pod that names such an image needs imagePullPolicy IfNotPresent or Never.`,
		Example: `  docker save my-app:1 -o my-app.tar && mainstay image import my-app.tar
  buildah push my-app docker-archive:my-app.tar:my-app:1`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, files []string) error {
			runtime, err := engine.NodeImages(o.dataDir)
			if err != nil {
				return err
			}
			for _, file := range files {
				if _, err := os.Stat(file); err != nil {
					return fmt.Errorf("there is no file %s", file)
				}
				progress := newProgress(o.errors)
				progress.say("importing " + file)
				names, err := runtime.Import(command.Context(), file)
				progress.end()
				if err != nil {
					return err
				}
				for _, name := range names {
					fmt.Fprintln(o.out, "imported", name)
				}
			}
			return nil
		},
	}
}

func newImageList(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the images on this machine",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			runtime, err := engine.NodeImages(o.dataDir)
			if err != nil {
				return err
			}
			images, err := runtime.List(command.Context())
			if err != nil {
				return err
			}
			table := tabwriter.NewWriter(o.out, 0, 0, 3, ' ', 0)
			fmt.Fprintln(table, "IMAGE\tID\tSIZE")
			for _, image := range images {
				_, id, _ := strings.Cut(image.Id, ":")
				for _, name := range image.RepoTags {
					fmt.Fprintf(table, "%s\t%.12s\t%s\n", name, id, humanize.IBytes(image.Size))
				}
			}
			return table.Flush()
		},
	}
}
