package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	remote "k8s.io/cri-client/pkg"
	"k8s.io/mount-utils"
)

// ownPods returns the pods that the kubelet of this data directory has started:
// it gave each a directory, for its logs and for its volumes.
func ownPods(paths Paths) (sets.Set[types.UID], error) {
	pods := sets.New[types.UID]()
	for _, directory := range []string{paths.podLogs(), filepath.Join(paths.Kubelet(), "pods")} {
		entries, err := os.ReadDir(directory)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		for _, entry := range entries {
			name := entry.Name() // NAMESPACE_POD_UID, or UID alone
			pods.Insert(types.UID(name[strings.LastIndex(name, "_")+1:]))
		}
	}
	return pods, nil
}

// runningPods asks the node's container runtime for the pods that it runs.
func runningPods(ctx context.Context, config Config, paths Paths) (sets.Set[types.UID], error) {
	runtime, err := remote.NewRemoteRuntimeService(ctx, config.runtimeEndpoint(paths), time.Minute, nil, false)
	if err != nil {
		return nil, err
	}
	return runningSandboxes(ctx, runtime)
}

// runningSandboxes returns the pods that the container runtime still runs.
func runningSandboxes(ctx context.Context, runtime internalapi.RuntimeService) (sets.Set[types.UID], error) {
	list, err := runtime.ListPodSandbox(ctx, &runtimeapi.PodSandboxFilter{
		State: &runtimeapi.PodSandboxStateValue{State: runtimeapi.PodSandboxState_SANDBOX_READY},
	})
	if err != nil {
		return nil, err
	}
	pods := sets.New[types.UID]()
	for _, sandbox := range list {
		pods.Insert(types.UID(sandbox.Metadata.Uid))
	}
	return pods, nil
}

// podsWithMounts returns the pods that still have a volume mounted.
func podsWithMounts(paths Paths) (sets.Set[types.UID], error) {
	mounts, err := mountsBelow(filepath.Join(paths.Kubelet(), "pods"))
	if err != nil {
		return nil, err
	}
	pods := sets.New[types.UID]()
	for _, mount := range mounts {
		relative, err := filepath.Rel(filepath.Join(paths.Kubelet(), "pods"), mount)
		if err == nil {
			pod, _, _ := strings.Cut(relative, string(filepath.Separator))
			pods.Insert(types.UID(pod))
		}
	}
	return pods, nil
}

// mountsBelow returns the mount points below a directory, the deepest last.
func mountsBelow(directory string) ([]string, error) {
	entries, err := mount.ParseMountInfo("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var below []string
	for _, entry := range entries {
		if strings.HasPrefix(entry.MountPoint, directory+string(filepath.Separator)) {
			below = append(below, entry.MountPoint)
		}
	}
	return below, nil
}
