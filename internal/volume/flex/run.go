package flex

import (
	"context"
	"fmt"
	"io"

	"k8s.io/klog/v2"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// Run answers one callout on the node's pools, or fails it if they are unknown: it
// writes one JSON object to out, which kubelet reads, and nothing else anywhere.
func Run(ctx context.Context, pools func() (*volume.Pools, error), command []string, out io.Writer) {
	// What libraries log would get into the answer.
	klog.SetLogger(klog.Logger{})
	_, _ = out.Write(safely(func() answer { return answerTo(ctx, pools, command) }).line())
}

// safely makes an answer of a panic, too.
func safely(do func() answer) (a answer) {
	defer func() {
		if reason := recover(); reason != nil {
			a = failed(fmt.Errorf("mainstay has a defect; please report it: %v", reason))
		}
	}()
	return do()
}
