package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// Start brings up all parts and returns when the node is Ready. If it fails it
// leaves nothing running, except for pods that ran before.
func (e *Engine) Start(ctx context.Context) error {
	err := e.start(ctx)
	if err == nil {
		return nil
	}
	e.node.cancel() // so that nobody starts containerd again
	if pods, asked := runningPods(ctx, e.config, e.paths); asked != nil || len(pods) > 0 {
		return err
	}
	return errors.Join(err, Clean(ctx, e.config.DataDir))
}

// start lists the parts in their order. Those that need nothing of each other
// start at the same time; the later ones wait for the API.
func (e *Engine) start(ctx context.Context) error {
	e.controllers, e.api, e.node = newGroup(ctx), newGroup(ctx), newGroup(ctx)
	if err := setFeatureGates(e.config); err != nil {
		return err
	}
	if err := e.prepare(); err != nil {
		return err
	}
	e.phase.Store(e.config.firstPhase())
	var first errgroup.Group
	first.Go(e.startAPI)
	first.Go(e.startRuntime)
	if err := first.Wait(); err != nil {
		return err
	}
	if err := replaceKeeper(ctx, e.config, e.paths); err != nil {
		return err
	}
	e.node.run("fence", func(ctx context.Context) error { return runFence(ctx, e.config, e.paths) })
	if err := e.startKubelet(); err != nil {
		return err
	}
	e.phase.Store("waiting for the API server" + e.config.elsewhere())
	if err := e.whileHealthy(e.waitForAPI); err != nil {
		return err
	}
	e.phase.Store("starting the controllers and the node")
	if err := e.whileHealthy(e.startNode); err != nil {
		return err
	}
	e.phase.Store("waiting for the node to be Ready")
	if err := e.whileHealthy(e.waitForNode); err != nil {
		return err
	}
	if !e.config.Joined() {
		gateway := e.network.gateway()
		e.node.run("metrics", func(ctx context.Context) error { return runMetrics(ctx, e.paths, gateway) })
	}
	e.phase.Store("ready")
	return nil
}

// prepare makes what the parts find on disk.
func (e *Engine) prepare() error {
	if err := e.paths.create(); err != nil {
		return err
	}
	if err := writeDataVersion(e.paths); err != nil {
		return err
	}
	if err := e.config.remember(e.paths); err != nil {
		return err
	}
	if err := installFlexDriver(e.paths); err != nil {
		return err
	}
	if e.config.Joined() {
		return e.prepareNode()
	}
	return e.prepareServer()
}

// prepareServer makes what only the machine has that holds the cluster's state. The
// engine itself acts as the administrator there.
func (e *Engine) prepareServer() error {
	if err := ensureCertificates(e.paths, e.config.NodeName, e.config.NodeIP, time.Now()); err != nil {
		return err
	}
	if err := ensureEncryption(e.paths, rand.Reader); err != nil {
		return err
	}
	access, err := clientcmd.BuildConfigFromFlags("", e.paths.Kubeconfig())
	if err != nil {
		return err
	}
	access.QPS = -1 // no limit: the API server is our own
	e.access = access
	e.client, err = kubernetes.NewForConfig(access)
	return err
}

// startAPI gives the engine an API to work with: its own, or the way to that of the
// cluster which the machine has joined.
func (e *Engine) startAPI() error {
	if e.config.Joined() {
		return ensureIdentities(e.node, e.client, e.config, e.paths)
	}
	if !e.config.Etcd.Configured() {
		closeEtcd, err := startEtcd(e.api, e.paths)
		if err != nil {
			return err
		}
		e.api.Go(func() error { <-e.api.Done(); closeEtcd(); return nil })
	}
	e.api.run("API server", func(ctx context.Context) error { return runAPIServer(ctx, e.config, e.paths) })
	return nil
}

func (e *Engine) startRuntime() error {
	if err := ensureCgroup(Instance(e.config.DataDir)); err != nil {
		return err
	}
	if e.config.RuntimeEndpoint != "" {
		return ensureSandboxImage(e.node, e.config.RuntimeEndpoint, e.paths)
	}
	runtime := containerd{e.paths}
	if err := runtime.start(e.node); err != nil {
		return err
	}
	e.node.run("container runtime", runtime.supervise)
	return ensurePauseImage(e.node, Images{Socket: e.paths.ContainerdSocket()}, e.paths)
}

// startKubelet starts kubelet and the volume driver, which do what they can
// without the API and then wait at the lifeline.
func (e *Engine) startKubelet() error {
	if !e.config.Joined() {
		attachDetach, err := prepareAttachDetach(e.controllers, e.paths)
		if err != nil {
			return err
		}
		e.attachDetach = attachDetach
	}
	server, dependencies, err := prepareKubelet(e.node, e.config, e.paths, e.lifeline)
	if err != nil {
		return err
	}
	dependencies.NodeStartupLatencyTracker = e.kubeletReady
	e.kubelet = dependencies
	e.node.run("kubelet", func(ctx context.Context) error { return runKubelet(ctx, server, dependencies) })
	e.node.run("volumes", func(ctx context.Context) error { return runVolumes(ctx, e.config, e.paths, e.lifeline) })
	return nil
}

// startNode starts everything that needs the API server.
func (e *Engine) startNode(ctx context.Context) error {
	node, err := ensureNode(ctx, e.client, e.config, e.paths)
	if err != nil {
		return err
	}
	_, pods, err := net.ParseCIDR(node.Spec.PodCIDR)
	if err != nil {
		return fmt.Errorf("node %s has no range of pod addresses: %w", node.Name, err)
	}
	if err := markUnreported(ctx, e.client, node); err != nil {
		return err
	}
	if err := markStopped(ctx, e.client, e.config, e.paths); err != nil {
		return err
	}
	e.network = podNetwork{paths: e.paths, name: Instance(e.config.DataDir), pods: pods, configDir: e.paths.cniConfig()}
	if e.config.RuntimeEndpoint != "" {
		err = e.network.ensureExternally(ctx, e.config.RuntimeEndpoint)
	} else {
		err = e.network.ensure(ctx)
	}
	if err != nil {
		return err
	}
	waitForLease(ctx, e.paths)
	close(e.lifeline.open)
	e.node.run("proxy", func(ctx context.Context) error { return runProxy(ctx, e.config, e.paths) })
	e.node.run("pod routes", func(ctx context.Context) error { return runPodRoutes(ctx, e.config, e.paths, e.network) })
	if e.config.Joined() {
		e.node.run("identities", func(ctx context.Context) error { return renewIdentities(ctx, e.config, e.paths, e.client) })
	} else if err := e.startControllers(ctx); err != nil {
		return err
	} else {
		e.controllers.run("judge", func(ctx context.Context) error { return runJudge(ctx, e.paths, e.leads.Load) })
	}
	e.controllers.run("sidecars", func(ctx context.Context) error { return runSidecars(ctx, e.config, e.paths) })
	e.node.run("DNS", func(ctx context.Context) error { return runDNS(ctx, e.paths, e.network.gateway()) })
	return nil
}

// lead starts what decides for the whole cluster, in a group of parts. It must be
// called once in a process.
func (e *Engine) lead(ctx context.Context, parts group) error {
	parts.run("scheduler", func(ctx context.Context) error { return runScheduler(ctx, e.paths) })
	parts.run("controllers", func(ctx context.Context) error { return runControllers(ctx, e.paths) })
	parts.run("attach-detach controller", e.attachDetach)

	if err := waitForGroups(ctx, e.paths); err != nil {
		return err
	}
	if err := applyAddons(ctx, e.access, e.paths); err != nil {
		return err
	}
	parts.run("StatefulSet controller", func(ctx context.Context) error { return runPetSets(ctx, e.paths) })
	parts.run("snapshot controller", func(ctx context.Context) error { return runVolumeSnapshots(ctx, e.access, e.paths) })
	parts.run("machines", func(ctx context.Context) error { return runMachines(ctx, e.paths) })
	return nil
}

func (e *Engine) waitForNode(ctx context.Context) error {
	select {
	case <-e.kubeletReady.ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	err := waitForNode(ctx, e.client, e.config.NodeName, func(node *corev1.Node) bool {
		return nodeReady(node) && !slices.ContainsFunc(node.Spec.Taints, isStarting)
	})
	if err != nil || !e.config.Joined() {
		return err
	}
	return waitForServingCertificate(ctx, e.paths)
}
