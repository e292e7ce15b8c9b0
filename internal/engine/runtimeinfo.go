package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	internalapi "k8s.io/cri-api/pkg/apis"
)

// usualNetworkDir is where a runtime looks for networks that tells nothing else.
const usualNetworkDir = "/etc/cni/net.d"

// runtimeInfo is what a container runtime tells of its own configuration. CRI
// does not say what belongs in it. This is containerd's; where another one tells
// less, fields are empty, and what they would have shown is not checked.
type runtimeInfo struct {
	sandboxImage  string
	systemdCgroup bool
	networkDir    string
	pluginDirs    []string
	networks      []string
}

func (i *runtimeInfo) read(info map[string]string) error {
	var config struct {
		SandboxImage string
		Containerd   struct {
			DefaultRuntimeName string
			Runtimes           map[string]struct{ Options struct{ SystemdCgroup bool } }
		}
	}
	var network struct {
		PluginDirs    []string
		PluginConfDir string
		Networks      []struct{ Config struct{ Name string } }
	}
	for key, into := range map[string]any{"config": &config, "cniconfig": &network} {
		if info[key] == "" {
			continue
		}
		if err := json.Unmarshal([]byte(info[key]), into); err != nil {
			return fmt.Errorf("read the %s of the container runtime: %w", key, err)
		}
	}
	*i = runtimeInfo{
		sandboxImage:  config.SandboxImage,
		systemdCgroup: config.Containerd.Runtimes[config.Containerd.DefaultRuntimeName].Options.SystemdCgroup,
		networkDir:    network.PluginConfDir, pluginDirs: network.PluginDirs,
	}
	for _, n := range network.Networks {
		i.networks = append(i.networks, n.Config.Name)
	}
	return nil
}

// askRuntime asks a runtime what it tells of itself.
func askRuntime(ctx context.Context, service internalapi.RuntimeService) (runtimeInfo, error) {
	var info runtimeInfo
	status, err := service.Status(ctx, true)
	if err != nil {
		return info, fmt.Errorf("ask the container runtime for its status: %w", err)
	}
	if err := info.read(status.Info); err != nil {
		return info, err
	}
	if info.networkDir == "" {
		info.networkDir = usualNetworkDir
	}
	return info, nil
}

// check refuses a configuration under which no pod could start.
func (i runtimeInfo) check(endpoint string) error {
	if i.systemdCgroup {
		return fmt.Errorf("the container runtime at %s leaves cgroups to systemd, which Mainstay does not: "+
			"set SystemdCgroup = false in its configuration and restart it", endpoint)
	}
	if len(i.pluginDirs) == 0 {
		return nil
	}
	for _, plugin := range []string{"ptp", "host-local", "portmap"} {
		if !slices.ContainsFunc(i.pluginDirs, func(dir string) bool {
			_, err := os.Stat(filepath.Join(dir, plugin))
			return err == nil
		}) {
			return fmt.Errorf("the container runtime at %s looks for network plugins in %s and there is no %s: "+
				"install containernetworking-plugins, and set bin_dir (Debian: %s) in the runtime's configuration",
				endpoint, strings.Join(i.pluginDirs, ", "), plugin, cniPlugins)
		}
	}
	return nil
}
