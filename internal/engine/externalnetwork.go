package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	remote "k8s.io/cri-client/pkg"
)

// externalNetwork is the file that says where a network configuration of ours
// lies outside of the data directory.
func (p Paths) externalNetwork() string { return p.configFile("external-network") }

// ensureExternally is ensure for a runtime that looks for networks elsewhere. It
// returns when the runtime connects pods to ours.
func (n *podNetwork) ensureExternally(ctx context.Context, endpoint string) error {
	service, err := remote.NewRemoteRuntimeService(ctx, endpoint, runtimePatience, nil, false)
	if err != nil {
		return err
	}
	info, err := askRuntime(ctx, service)
	if err != nil {
		return err
	}
	n.configDir = info.networkDir
	file := filepath.Join(n.configDir, networkFile)
	if err := writeFile(n.paths.externalNetwork(), []byte(file)); err != nil {
		return err
	}
	if err := os.MkdirAll(n.configDir, 0o755); err != nil {
		return err
	}
	if err := n.ensure(ctx); err != nil {
		return err
	}
	err = wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, runtimePatience, true, func(ctx context.Context) (bool, error) {
		info, err := askRuntime(ctx, service)
		return len(info.networks) == 0 || slices.Contains(info.networks, n.name), err
	})
	if err != nil {
		return fmt.Errorf("the container runtime at %s does not connect pods to the network in %s (see its log): %w", endpoint, file, err)
	}
	return nil
}

// withdrawNetwork takes our network from a runtime that is not our own. No pod
// of ours may be left: the runtime needs the network to disconnect it.
func withdrawNetwork(paths Paths) error {
	file, err := os.ReadFile(paths.externalNetwork())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.Remove(string(file)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Remove(paths.externalNetwork())
}
