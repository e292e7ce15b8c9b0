package engine

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"
)

// Leave takes the node out of the fence without stopping anything: from then on nobody
// can know that its pets have stopped, so there must be no judge any more. It waits for the end
// of the node's keeper. It may be repeated.
func (k FenceKeeper) Leave(ctx context.Context) error {
	if err := k.findNode(); err != nil {
		return err
	}
	if _, err := os.Stat(k.StateDir); os.IsNotExist(err) {
		return nil
	}
	release, err := k.lock(ctx)
	if err != nil {
		return ignoreEnd(ctx, err)
	}
	defer release()
	// It is asked, so that it disarms its watchdog.
	if err := k.executioner().stop(ctx, unix.SIGTERM); err != nil {
		return err
	}
	// One that is killed has no name any more a moment before it is gone.
	err = wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, 2*time.Second, true, func(ctx context.Context) (bool, error) {
		return k.dir().ExecutionerRuns(ctx) != nil, nil
	})
	if err != nil {
		return fmt.Errorf("an executioner is at work that no keeper has noted: end the process `mainstay fence %s` on this node, and try again", ExecutionerCommand)
	}
	// It may have been quicker, and what it froze could not be removed.
	if err := k.pods().AllowAll(); err != nil {
		return err
	}
	// The directories themselves may be mounts.
	for _, dir := range []string{k.dir().Memory, k.StateDir} {
		if err := removeContent(dir); err != nil {
			return err
		}
	}
	klog.FromContext(ctx).Info("This node has left the fence")
	return nil
}
