package engine

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/kubernetes/cmd/kubelet/app"
	"k8s.io/kubernetes/cmd/kubelet/app/options"
	"k8s.io/kubernetes/pkg/kubelet"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"
	kubeletutil "k8s.io/kubernetes/pkg/kubelet/util"
)

// prepareKubelet returns a kubelet ready to run, and what it depends on. It
// reaches the API through the lifeline.
func prepareKubelet(ctx context.Context, config Config, paths Paths, api lifeline) (*options.KubeletServer, *kubelet.Dependencies, error) {
	server, err := options.NewKubeletServer()
	if err != nil {
		return nil, nil, err
	}
	server.KubeConfig = paths.kubeconfigOf("kubelet")
	server.HostnameOverride = config.NodeName
	server.NodeIP = config.NodeIP.String()
	server.RootDirectory = paths.Kubelet()
	server.CertDirectory = paths.pki()
	setKubeletConfiguration(&server.KubeletConfiguration, config, paths)
	if err := setDiskPressure(&server.KubeletConfiguration, config.DataDir); err != nil {
		return nil, nil, err
	}

	if err := removeDamaged(paths.Kubelet()); err != nil {
		return nil, nil, err
	}
	dependencies, err := app.UnsecuredDependencies(ctx, server, utilfeature.DefaultFeatureGate)
	if err != nil {
		return nil, nil, err
	}
	access, err := accessOf(paths, "kubelet")
	if err != nil {
		return nil, nil, err
	}
	return server, dependencies, api.connect(access, dependencies, heartbeatLimit)
}

func setKubeletConfiguration(k *kubeletconfig.KubeletConfiguration, config Config, paths Paths) {
	k.ContainerRuntimeEndpoint = config.runtimeEndpoint(paths)
	k.CgroupDriver = "cgroupfs"
	k.CgroupRoot = "/" + Instance(config.DataDir)
	k.FailCgroupV1 = false // many machines still have it
	k.FailSwapOn = false
	k.MakeIPTablesUtilChains = false // nothing here uses them
	k.PodLogsDir = paths.podLogs()
	k.VolumePluginDir = paths.flexVolumePlugins()
	k.ResolverConfig = resolverConfig()
	k.ClusterDomain = ClusterDomain
	k.ClusterDNS = []string{dnsServiceIP}

	k.Address = config.NodeIP.String()
	k.Port = kubeletPort
	k.ReadOnlyPort = 0
	k.HealthzPort = 0
	if config.Joined() {
		k.ServerTLSBootstrap = true // kubelet asks the cluster for its certificate, and renews it
	} else {
		k.TLSCertFile = paths.pkiFile("kubelet-server.crt")
		k.TLSPrivateKeyFile = paths.pkiFile("kubelet-server.key")
	}
	k.Authentication.X509.ClientCAFile = paths.pkiFile("ca.crt")
	k.Authentication.Anonymous.Enabled = false
	k.Authentication.Webhook.Enabled = true
	k.Authorization.Mode = kubeletconfig.KubeletAuthorizationModeWebhook

	k.SerializeImagePulls = false
	k.RegistryPullQPS = 0
	// A pod with a network disk waits until kubelet has reported that the disk is in
	// use, which it does when it next looks whether its status has changed: with
	// upstream's 10 s a pet would be back after 5 s more on average. What has not
	// changed is reported as seldom as upstream does.
	k.NodeStatusUpdateFrequency = metav1.Duration{Duration: 500 * time.Millisecond}
	k.NodeStatusReportFrequency = metav1.Duration{Duration: 5 * time.Minute}
}

// heartbeatLimit is how long a report of kubelet to the API may take: upstream's.
const heartbeatLimit = 10 * time.Second

// resolverConfig is the file that pods with dnsPolicy Default, and names outside
// the cluster, are resolved by. systemd-resolved's own file names a loopback
// address, which a pod cannot reach; it keeps the real servers beside it.
func resolverConfig() string {
	const machine, systemd = "/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"
	content, err := os.ReadFile(machine)
	if err == nil && strings.Contains(string(content), "127.0.0.53") {
		if _, err := os.Stat(systemd); err == nil {
			return systemd
		}
	}
	return machine
}

// readiness notices when kubelet has told the API for the first time that its
// node is Ready. What the API says before that may stem from an earlier engine.
type readiness struct {
	kubeletutil.NodeStartupLatencyTracker
	once  sync.Once
	ready chan struct{}
}

func newReadiness() *readiness {
	return &readiness{NodeStartupLatencyTracker: kubeletutil.NewNodeStartupLatencyTracker(), ready: make(chan struct{})}
}

// RecordNodeReady is called by kubelet after each report of a Ready node.
func (r *readiness) RecordNodeReady() {
	r.NodeStartupLatencyTracker.RecordNodeReady()
	r.once.Do(func() { close(r.ready) })
}

// runKubelet runs kubelet until ctx ends.
func runKubelet(ctx context.Context, server *options.KubeletServer, dependencies *kubelet.Dependencies) error {
	if err := app.Run(ctx, server, dependencies, utilfeature.DefaultFeatureGate); err != nil {
		return fmt.Errorf("kubelet: %w", err)
	}
	return nil
}
