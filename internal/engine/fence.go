package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"

	"github.com/mainstay-io/mainstay/internal/fence/agent"
	"github.com/mainstay-io/mainstay/internal/fence/halt"
)

// The fence's part of a node are two processes that outlive the engine: the keeper,
// which the engine starts, and the executioner, which the keeper starts. A cluster of
// one machine needs neither.

func (p Paths) fence() agent.Dir { return fenceDir(filepath.Join(p.DataDir, "fence")) }

// fenceDir are the directories that belong to one on a disk.
func fenceDir(disk string) agent.Dir {
	return agent.Dir{Disk: disk, Memory: filepath.Join("/run", Instance(disk))}
}

// haltable are the pods of this data directory's kubelet.
func haltable(dataDir string) halt.Pods {
	return halt.Of("/sys/fs/cgroup", filepath.Join("/", Instance(dataDir), "kubepods"))
}

// fenceProcess is one that this very program runs as, by a hidden command.
func fenceProcess(paths Paths, command string, arguments ...string) daemon {
	logFile := "--log-file=" + paths.logOf(command)
	own := []string{"mainstay", "--data-dir", paths.DataDir, command, logFile}
	return daemon{
		name: "the " + command, program: "/proc/self/exe", arguments: append(own, arguments...),
		mark: logFile, pidFile: filepath.Join(paths.run(), command+".pid"), logFile: paths.logOf(command + ".stderr"),
		cgroup: Instance(paths.DataDir) + "/fence",
	}
}

func keeperProcess(config Config, paths Paths) daemon {
	return fenceProcess(paths, KeeperCommand, "--node-name="+config.NodeName, "--node-ip="+config.NodeIP.String(), "--watchdog="+config.Watchdog)
}

func executionerProcess(paths Paths, watchdog string) daemon {
	return fenceProcess(paths, ExecutionerCommand, "--watchdog="+watchdog)
}

// The hidden commands.
const (
	KeeperCommand      = "keeper"
	ExecutionerCommand = "executioner"
)

// runFence keeps this machine's keeper running until ctx ends. The keeper goes on then.
func runFence(ctx context.Context, config Config, paths Paths) error {
	if err := waitForCompany(ctx, config, paths); err != nil {
		return err
	}
	keeper := keeperProcess(config, paths)
	for {
		if err := keeper.waitExit(ctx, 100*time.Millisecond); err != nil {
			return nil // ctx ended
		}
		klog.Info("Starting the keeper of this node's lease")
		if err := keeper.launch(ctx); err != nil {
			klog.Error(err, "The keeper does not start; trying again")
			time.Sleep(tryAgain)
		}
	}
}

// waitForCompany returns when this machine is one of several, or was.
func waitForCompany(ctx context.Context, config Config, paths Paths) error {
	if config.Joined() || paths.fence().Armed() {
		return ctx.Err()
	}
	client, err := clientOf(paths, "machines")
	if err != nil {
		return err
	}
	return waitForMachines(ctx, client)
}

// waitForMachines returns when the cluster has more than one machine.
func waitForMachines(ctx context.Context, client kubernetes.Interface) error {
	found, stop := context.WithCancel(ctx)
	defer stop()
	err := followNodes(found, client, func(_ context.Context, nodes []*corev1.Node) error {
		if len(nodes) > 1 {
			stop()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return ctx.Err()
}

// replaceKeeper ends a keeper that an engine before has started, if it is of another
// version or was told otherwise, so that this one's takes over. No pet notices.
func replaceKeeper(ctx context.Context, config Config, paths Paths) error {
	keeper := keeperProcess(config, paths)
	if pid := keeper.running(); pid != 0 && keeper.current(pid) {
		return nil
	}
	return keeper.stop(ctx, unix.SIGKILL)
}

// ensureExecutioner starts the executioner of a directory if none runs, or one of another
// version or that was told otherwise does. It is called by one keeper at a time.
func ensureExecutioner(ctx context.Context, process daemon, dir agent.Dir) error {
	pid := process.running()
	atWork := dir.ExecutionerRuns(ctx) == nil
	switch {
	case atWork && (pid == 0 || process.current(pid)):
		return nil // a keeper that was killed may not have noted its number
	case pid != 0 && !process.current(pid):
		if err := process.stop(ctx, unix.SIGKILL); err != nil {
			return err
		}
		pid = 0
	}
	if pid == 0 {
		if err := process.launch(ctx); err != nil {
			return err
		}
	}
	// It has begun, but may not be at work yet.
	return wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, 2*time.Second, true, func(ctx context.Context) (bool, error) {
		return dir.ExecutionerRuns(ctx) == nil, nil
	})
}

// waitForLease gives a node that may run no pet without its lease a moment to get it,
// before kubelet starts them: else they would be started, and stopped at once.
func waitForLease(ctx context.Context, paths Paths) {
	if !paths.fence().Armed() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := agent.Wait(ctx, paths.fence()); err != nil {
		klog.Error(err, "Pets wait")
	}
}

// endFence ends both processes. All pods have been stopped: the lease may run out.
// What was frozen is allowed, so that it can be removed.
func endFence(ctx context.Context, paths Paths) error {
	if err := fenceProcess(paths, KeeperCommand).stop(ctx, unix.SIGKILL); err != nil {
		return err
	}
	// It is asked, so that it disarms its watchdog.
	if err := fenceProcess(paths, ExecutionerCommand).stop(ctx, unix.SIGTERM); err != nil {
		return err
	}
	return errors.Join(haltable(paths.DataDir).AllowAll(), os.RemoveAll(paths.fence().Memory))
}
