package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/types"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	remote "k8s.io/cri-client/pkg"
)

// graceAnnotation is where kubelet writes a pod's terminationGracePeriodSeconds
// on each of its containers.
const graceAnnotation = "io.kubernetes.pod.terminationGracePeriod"

// stopSandboxes stops and removes the pods that the container runtime runs,
// without a kubelet: what is left when an engine was killed. Higher ordinals go
// first, and each container gets its grace period. In a runtime that is not our
// own it leaves the pods of others alone.
func stopSandboxes(ctx context.Context, paths Paths) error {
	choices, err := RememberedChoices(paths.DataDir)
	if err != nil {
		return err
	}
	if !listens(socketOf(choices.runtimeEndpoint(paths))) {
		return checkNoneRuns(choices, Instance(paths.DataDir))
	}
	runtime, err := remote.NewRemoteRuntimeService(ctx, choices.runtimeEndpoint(paths), 2*time.Minute, nil, false)
	if err != nil {
		return err
	}
	sandboxes, err := runtime.ListPodSandbox(ctx, nil)
	if err != nil {
		return err
	}
	if choices.RuntimeEndpoint != "" {
		own, err := ownPods(paths)
		if err != nil {
			return err
		}
		sandboxes = slices.DeleteFunc(sandboxes, func(s *runtimeapi.PodSandbox) bool { return !own.Has(types.UID(s.Metadata.Uid)) })
	}
	slices.SortFunc(sandboxes, func(a, b *runtimeapi.PodSandbox) int { return cmp.Compare(podIndex(b), podIndex(a)) })
	for _, sandbox := range sandboxes {
		if err := stopSandbox(ctx, runtime, sandbox); err != nil {
			return fmt.Errorf("stop pod %s/%s: %w", sandbox.Metadata.Namespace, sandbox.Metadata.Name, err)
		}
	}
	return withdrawNetwork(paths)
}

// podIndex puts pods that belong to no set first, as shutdownWaves does.
func podIndex(sandbox *runtimeapi.PodSandbox) int {
	index, err := strconv.Atoi(sandbox.Labels[appsv1.PodIndexLabel])
	if err != nil {
		return int(^uint(0) >> 1)
	}
	return index
}

func stopSandbox(ctx context.Context, runtime internalapi.RuntimeService, sandbox *runtimeapi.PodSandbox) error {
	containers, err := runtime.ListContainers(ctx, &runtimeapi.ContainerFilter{PodSandboxId: sandbox.Id})
	if err != nil {
		return err
	}
	for _, container := range containers {
		if container.State != runtimeapi.ContainerState_CONTAINER_RUNNING {
			continue
		}
		grace, err := strconv.ParseInt(container.Annotations[graceAnnotation], 10, 64)
		if err != nil {
			grace = 30
		}
		if err := runtime.StopContainer(ctx, container.Id, grace); err != nil {
			return err
		}
	}
	if err := runtime.StopPodSandbox(ctx, sandbox.Id); err != nil {
		return err
	}
	return runtime.RemovePodSandbox(ctx, sandbox.Id)
}
