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
	answer    func(ctx context.Context, pools findPools, arguments []string) answer
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
	"init":     {nil, func(context.Context, findPools, []string) answer { return initialized() }},
	"mount":    {[]string{"DIRECTORY", "OPTIONS"}, mount},
	"unmount":  {[]string{"DIRECTORY"}, unmount},
	"expandfs": {[]string{"OPTIONS", "DEVICE", "DIRECTORY", "NEW-SIZE", "OLD-SIZE"}, expand},
}

// findPools gives the node's pools.
type findPools = func() (*volume.Pools, error)

func mount(ctx context.Context, pools findPools, arguments []string) answer {
	wanted, err := readRequest(arguments[1])
	if err != nil {
		return failed(err)
	}
	return withPools(pools, arguments[0], func(all *volume.Pools) error {
		pool, err := all.Pool(wanted.pool)
		if err != nil {
			return err
		}
		return driver{pool}.mount(ctx, arguments[0], wanted)
	})
}

func unmount(ctx context.Context, pools findPools, arguments []string) answer {
	return withPools(pools, arguments[0], func(all *volume.Pools) error { return unmountFrom(ctx, all, arguments[0]) })
}

func expand(ctx context.Context, pools findPools, arguments []string) answer {
	size, err := readSize(arguments[3])
	if err != nil {
		return failed(fmt.Errorf("the new size: %w", err))
	}
	return withPools(pools, arguments[2], func(all *volume.Pools) error { return expandAt(ctx, all, arguments[2], size) })
}

// withPools does what a callout asks for at a path.
func withPools(pools findPools, path string, do func(*volume.Pools) error) answer {
	if err := absolute(path); err != nil {
		return failed(err)
	}
	all, err := pools()
	if err != nil {
		return failed(err)
	}
	return outcome(do(all))
}

// answerTo gives the answer to a command line.
func answerTo(ctx context.Context, pools findPools, command []string) answer {
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
	return c.answer(ctx, pools, arguments)
}
