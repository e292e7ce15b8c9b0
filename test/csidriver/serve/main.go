// Command serve is the program in the image of the CSI driver for tests.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"github.com/mainstay-io/mainstay/test/csidriver"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	driver := csidriver.Driver{Name: os.Args[1], NodeName: os.Getenv("NODE_NAME"), StateDir: "/disks", KubeletDir: os.Getenv("KUBELET_DIR")}
	if err := driver.Serve(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // nothing is left to undo
	}
}
