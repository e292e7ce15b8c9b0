package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/manager"
	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/knftables"

	"github.com/mainstay-io/mainstay/internal/engine/podroutes"
	"github.com/mainstay-io/mainstay/internal/volume/driver"
)

// Clean ends everything that an engine leaves running when it ends: containerd,
// what is left of pods, mounts, network devices, packet rules, cgroups. It needs
// no engine, keeps all data, and may be repeated.
func Clean(ctx context.Context, dataDir string) error {
	paths, name := Paths{DataDir: dataDir}, Instance(dataDir)
	end, err := beginCleaning(paths)
	if err != nil {
		return err
	}
	defer end()
	return errors.Join(
		stopSandboxes(ctx, paths),
		endFence(ctx, paths),
		containerd{paths}.daemon().stop(ctx, unix.SIGTERM),
		killCgroup(ctx, name),
		driver.Cleanup(paths.Pool(), paths.pools(), paths.Kubelet()),
		unmountAll(paths),
		podroutes.Remove(name),
		podroutes.RemoveLink(name),
		removeTables(ctx, name),
		removeCgroup(name),
	)
}

// Purge removes the data as well. What it removes is gone for good. Pools outside of
// the data directory keep theirs.
func Purge(ctx context.Context, dataDir string) error {
	if err := Clean(ctx, dataDir); err != nil {
		return err
	}
	return removeData(dataDir, "purge")
}

// removeData removes a data directory that was cleaned, but for what is kept of it,
// and what lies outside. The word says what a person then does again.
func removeData(dataDir, word string, keep ...string) error {
	// Never follow a mount that would not go: its files belong to someone else.
	left, err := mountsBelow(dataDir)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("%s is still mounted; unmount it, then %s again", left[0], word)
	}
	if err := removeOutside(dataDir); err != nil {
		return err
	}
	if len(keep) == 0 {
		return os.RemoveAll(dataDir)
	}
	return removeContent(dataDir, keep...)
}

// removeContent removes what is in a directory, but for what is kept.
func removeContent(directory string, keep ...string) error {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		path := filepath.Join(directory, entry.Name())
		if slices.Contains(keep, path) {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

// killCgroup kills the processes that are left below a cgroup.
func killCgroup(ctx context.Context, name string) error {
	group, err := manager.New(&cgroups.Cgroup{Path: "/" + name, Resources: &cgroups.Resources{SkipDevices: true}})
	if err != nil {
		return err
	}
	if !group.Exists() {
		return nil
	}
	return wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, 10*time.Second, true, func(context.Context) (bool, error) {
		processes, err := group.GetAllPids()
		if err != nil || len(processes) == 0 {
			return true, nil // it is gone meanwhile, or empty
		}
		for _, process := range processes {
			_ = unix.Kill(process, unix.SIGKILL)
		}
		return false, nil
	})
}

// removeCgroup waits a moment for processes that were killed and have not ended.
func removeCgroup(name string) error {
	for _, root := range cgroupRoots() {
		if err := cgroups.RemovePath(filepath.Join(root, name)); err != nil {
			return fmt.Errorf("remove cgroup: %w", err)
		}
	}
	return nil
}

// cgroupRoots are the hierarchies of this machine: one with v2, many with v1.
func cgroupRoots() []string {
	const root = "/sys/fs/cgroup"
	if cgroups.IsCgroup2UnifiedMode() {
		return []string{root}
	}
	roots, _ := filepath.Glob(filepath.Join(root, "*"))
	return roots
}

// unmountAll unmounts everything below the data directory, the deepest first. A pool
// that is in use stays in sight.
func unmountAll(paths Paths) error {
	mounts, err := mountsBelow(paths.DataDir)
	if err != nil {
		return err
	}
	var failures []error
	for i := len(mounts) - 1; i >= 0; i-- {
		err := unix.Unmount(mounts[i], 0)
		if errors.Is(err, unix.EBUSY) && filepath.Dir(mounts[i]) != paths.pools() {
			err = unix.Unmount(mounts[i], unix.MNT_DETACH)
		}
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			failures = append(failures, fmt.Errorf("unmount %s: %w", mounts[i], err))
		}
	}
	return errors.Join(failures...)
}

// removeTables removes our own packet rules, kube-proxy's, and those that CNI's
// portmap plugin makes for host ports.
func removeTables(ctx context.Context, name string) error {
	for family, tables := range map[knftables.Family][]string{
		knftables.IPv4Family: {name, "kube-proxy"},
		knftables.IPv6Family: {"kube-proxy"},
	} {
		for _, table := range tables {
			nft, err := knftables.New(family, table)
			if err != nil {
				return err
			}
			transaction := nft.NewTransaction()
			transaction.Add(&knftables.Table{}) // so that deleting it never fails
			transaction.Delete(&knftables.Table{})
			if err := nft.Run(ctx, transaction); err != nil {
				return fmt.Errorf("remove nftables table %s %s: %w", family, table, err)
			}
		}
	}
	return nil
}
