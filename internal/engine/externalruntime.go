package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/manager"
	"k8s.io/apimachinery/pkg/types"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	remote "k8s.io/cri-client/pkg"
)

// runtimePatience is how long a runtime may take for an answer.
const runtimePatience = 10 * time.Second

// checkRuntime looks whether the runtime that somebody else runs can be used.
func checkRuntime(ctx context.Context, config Config) error {
	if err := checkRuntimeChange(ctx, config); err != nil || config.RuntimeEndpoint == "" {
		return err
	}
	if !strings.HasPrefix(config.RuntimeEndpoint, "unix:///") {
		return fmt.Errorf("--container-runtime-endpoint %s: write it as unix:///PATH", config.RuntimeEndpoint)
	}
	if !listens(socketOf(config.RuntimeEndpoint)) {
		return fmt.Errorf("no container runtime answers at %s: start it, or name its CRI socket with --container-runtime-endpoint "+
			"(\"\" for a containerd of Mainstay's own)", config.RuntimeEndpoint)
	}
	service, err := remote.NewRemoteRuntimeService(ctx, config.RuntimeEndpoint, runtimePatience, nil, false)
	if err != nil {
		return fmt.Errorf("what answers at %s does not speak CRI v1 (with containerd, take \"cri\" out of disabled_plugins in its configuration "+
			"and restart it): %w", config.RuntimeEndpoint, errors.Unwrap(errors.Unwrap(err)))
	}
	info, err := askRuntime(ctx, service)
	if err != nil {
		return err
	}
	// Newer runtimes tell of cgroups by CRI itself.
	if tells, err := service.RuntimeConfig(ctx); err == nil && tells.Linux != nil {
		info.systemdCgroup = tells.Linux.CgroupDriver == runtimeapi.CgroupDriver_SYSTEMD
	}
	if err := info.check(config.RuntimeEndpoint); err != nil {
		return err
	}
	if err := checkAlone(ctx, service, config); err != nil {
		return err
	}
	return checkSandboxImage(ctx, config.RuntimeEndpoint, info)
}

// checkAlone refuses a runtime that holds pods which are not ours: kubelet takes
// every pod of its runtime for its own, and ends those that it does not know.
func checkAlone(ctx context.Context, service internalapi.RuntimeService, config Config) error {
	own, err := ownPods(Paths{DataDir: config.DataDir})
	if err != nil {
		return err
	}
	sandboxes, err := service.ListPodSandbox(ctx, nil)
	if err != nil {
		return fmt.Errorf("list the pods of the container runtime: %w", err)
	}
	for _, sandbox := range sandboxes {
		if !own.Has(types.UID(sandbox.Metadata.Uid)) {
			return fmt.Errorf("the container runtime at %s holds a pod that is not Mainstay's (%s/%s), and kubelet would end it: "+
				"use another runtime, or if nobody needs its pods, remove them (crictl rmp --force --all)",
				config.RuntimeEndpoint, sandbox.Metadata.Namespace, sandbox.Metadata.Name)
		}
	}
	return nil
}

// checkRuntimeChange refuses another runtime while pods run in the one of the
// last start: they would run twice.
func checkRuntimeChange(ctx context.Context, config Config) error {
	paths := Paths{DataDir: config.DataDir}
	last, err := RememberedChoices(config.DataDir)
	if err != nil {
		return err
	}
	before := last.runtimeEndpoint(paths)
	if before == config.runtimeEndpoint(paths) || !listens(socketOf(before)) {
		return nil
	}
	running, err := runningPods(ctx, Config{DataDir: config.DataDir, Choices: last}, paths)
	if err != nil {
		return fmt.Errorf("ask the container runtime at %s what runs: %w", before, err)
	}
	own, err := ownPods(paths)
	if err != nil {
		return err
	}
	if running.Intersection(own).Len() > 0 {
		return fmt.Errorf("pods run in the container runtime at %s: end them with `mainstay down` before you choose another runtime", before)
	}
	return nil
}

// checkSandboxImage makes sure that the runtime can start a pod: the image that
// its configuration names for sandboxes is there, is our own, or can be pulled.
func checkSandboxImage(ctx context.Context, endpoint string, info runtimeInfo) error {
	if info.sandboxImage == "" || info.sandboxImage == pauseImage {
		return nil
	}
	images := Images{Socket: socketOf(endpoint)}
	present, err := images.has(ctx, info.sandboxImage)
	if err != nil || present {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, runtimePatience)
	defer cancel()
	if err := images.pull(ctx, info.sandboxImage); err != nil {
		return fmt.Errorf("the container runtime at %s cannot pull the image that it starts pods with, %s: "+
			"set sandbox_image = %q in its configuration and restart it (Mainstay brings that one): %w", endpoint, info.sandboxImage, pauseImage, err)
	}
	return nil
}

// ensureSandboxImage brings our pause image to a runtime that asks for it.
func ensureSandboxImage(ctx context.Context, endpoint string, paths Paths) error {
	service, err := remote.NewRemoteRuntimeService(ctx, endpoint, runtimePatience, nil, false)
	if err != nil {
		return err
	}
	info, err := askRuntime(ctx, service)
	if err != nil || info.sandboxImage != pauseImage {
		return err
	}
	return ensurePauseImage(ctx, Images{Socket: socketOf(endpoint)}, paths)
}

// checkNoneRuns refuses to go on when pods still run in a runtime that is not
// our own and does not answer: only it could end them in good order.
func checkNoneRuns(choices Choices, cgroup string) error {
	if choices.RuntimeEndpoint == "" {
		return nil
	}
	group, err := manager.New(&cgroups.Cgroup{Path: "/" + cgroup, Resources: &cgroups.Resources{SkipDevices: true}})
	if err != nil || !group.Exists() {
		return err
	}
	if processes, err := group.GetAllPids(); err == nil && len(processes) > 0 {
		return fmt.Errorf("pods still run, but the container runtime at %s does not answer: start it, then try again", choices.RuntimeEndpoint)
	}
	return nil
}
