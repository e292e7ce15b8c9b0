package flex

import (
	"context"
	"fmt"
	"strings"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// callout is one of kubelet's calls.
type callout struct {
	// arguments are the names of those that kubelet passes, in order.
	arguments []string
	answer    func(ctx context.Context, poolDir string, arguments []string) answer
}

// callouts are those that this driver answers. All others are not supported, and
// kubelet's own ways are right for them: attach, detach, waitforattach,
// isattached, mountdevice and unmountdevice are never called where there is
// nothing to attach; getvolumename would only repeat the volume's name.
//
// expandvolume is called on the controller's machine, which need not be the
// volume's, and without the pod's namespace: the controller passes such a call
// over, and expandfs does the whole on the node.
var callouts = map[string]callout{
	"init":     {nil, func(context.Context, string, []string) answer { return initialized() }},
	"mount":    {[]string{"DIRECTORY", "OPTIONS"}, mount},
	"unmount":  {[]string{"DIRECTORY"}, unmount},
	"expandfs": {[]string{"OPTIONS", "DEVICE", "DIRECTORY", "NEW-SIZE", "OLD-SIZE"}, expand},
}

func mount(ctx context.Context, poolDir string, arguments []string) answer {
	wanted, err := readRequest(arguments[1])
	if err != nil {
		return failed(err)
	}
	return withPool(poolDir, arguments[0], func(d driver) error { return d.mount(ctx, arguments[0], wanted) })
}

func unmount(ctx context.Context, poolDir string, arguments []string) answer {
	return withPool(poolDir, arguments[0], func(d driver) error { return d.unmount(ctx, arguments[0]) })
}

func expand(ctx context.Context, poolDir string, arguments []string) answer {
	size, err := readSize(arguments[3])
	if err != nil {
		return failed(fmt.Errorf("the new size: %w", err))
	}
	return withPool(poolDir, arguments[2], func(d driver) error { return d.expand(ctx, arguments[2], size) })
}

// withPool does what a callout asks for at a path, in the pool.
func withPool(poolDir, path string, do func(driver) error) answer {
	if err := absolute(path); err != nil {
		return failed(err)
	}
	pool, err := volume.Open(poolDir)
	if err != nil {
		return failed(fmt.Errorf("open the volume pool %s: %w", poolDir, err))
	}
	return outcome(do(driver{pool}))
}

// answerTo gives the answer to a command line.
func answerTo(ctx context.Context, poolDir string, command []string) answer {
	if len(command) == 0 {
		return failed(fmt.Errorf("no callout was given; kubelet passes one of init, mount, unmount, expandfs"))
	}
	name, arguments := command[0], command[1:]
	c, known := callouts[name]
	if !known {
		return notSupported()
	}
	if len(arguments) != len(c.arguments) {
		return failed(fmt.Errorf("%d arguments were given; it is: %s", len(arguments), strings.Join(append([]string{name}, c.arguments...), " ")))
	}
	return c.answer(ctx, poolDir, arguments)
}
