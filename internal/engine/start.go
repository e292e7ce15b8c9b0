package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/kubernetes/pkg/kubelet"
)

// Engine is a Kubernetes that runs in this process.
type Engine struct {
	config Config
	paths  Paths
	access *rest.Config // as the administrator
	client kubernetes.Interface

	// Three groups of parts, in the order in which they are stopped.
	controllers group // what decides: controllers, scheduler
	api         group // etcd and the API server
	node        group // what runs pods: kubelet, proxy, DNS, volumes

	kubelet      *kubelet.Dependencies
	kubeletReady *readiness
	lifeline     lifeline
	attachDetach func(context.Context) error
	network      podNetwork
	phase        atomic.Value // string: what the engine is doing
}

// group is a set of parts that run and end together. The first that ends
// although nobody asked it to ends all the engine.
type group struct {
	context.Context
	cancel context.CancelFunc
	*errgroup.Group
}

func newGroup(ctx context.Context) group {
	ctx, cancel := context.WithCancel(ctx)
	parts, ctx := errgroup.WithContext(ctx)
	return group{Context: ctx, cancel: cancel, Group: parts}
}

// run adds a part to the group.
func (g group) run(name string, part func(context.Context) error) {
	g.Go(func() error {
		err := part(g.Context)
		if g.Err() != nil {
			return nil
		}
		if err == nil {
			err = errors.New("it ended although nobody asked it to")
		}
		return fmt.Errorf("%s: %w", name, err)
	})
}

// stop ends the parts and waits for them, but no longer than limit: a part that
// hangs must not keep the engine from stopping.
func (g group) stop(limit time.Duration) {
	g.cancel()
	done := make(chan struct{})
	go func() { _ = g.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(limit):
	}
}

// New returns an engine that is ready to Start.
func New(config Config) *Engine {
	e := &Engine{config: config, paths: Paths{DataDir: config.DataDir}, kubeletReady: newReadiness(), lifeline: newLifeline()}
	e.phase.Store("starting")
	return e
}

// Phase tells what the engine is doing, in a person's words.
func (e *Engine) Phase() string { return e.phase.Load().(string) }

// Start brings up all parts and returns when the node is Ready. If it fails it
// leaves nothing running, except for pods that ran before.
func (e *Engine) Start(ctx context.Context) error {
	err := e.start(ctx)
	if err == nil {
		return nil
	}
	e.node.cancel() // so that nobody starts containerd again
	paths := Paths{DataDir: e.config.DataDir}
	if pods, asked := runningPods(ctx, e.config, paths); asked != nil || len(pods) > 0 {
		return err
	}
	return errors.Join(err, Clean(ctx, e.config.DataDir))
}

// start lists the parts in their order. Those that need nothing of each other
// start at the same time; the later ones wait for the API.
func (e *Engine) start(ctx context.Context) error {
	e.controllers, e.api, e.node = newGroup(ctx), newGroup(ctx), newGroup(ctx)
	if err := e.prepare(); err != nil {
		return err
	}
	e.phase.Store("starting etcd, the API server and the container runtime")
	var first errgroup.Group
	first.Go(e.startAPI)
	first.Go(e.startRuntime)
	if err := first.Wait(); err != nil {
		return err
	}
	if err := e.startKubelet(); err != nil {
		return err
	}
	e.phase.Store("waiting for the API server")
	if err := e.whileHealthy(func(ctx context.Context) error { return waitForAPI(ctx, e.client) }); err != nil {
		return err
	}
	e.phase.Store("starting the controllers and the node")
	if err := e.startNode(); err != nil {
		return err
	}
	e.phase.Store("waiting for the node to be Ready")
	if err := e.whileHealthy(e.waitForNode); err != nil {
		return err
	}
	gateway := e.network.gateway()
	e.node.run("metrics", func(ctx context.Context) error { return runMetrics(ctx, e.paths, gateway) })
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

func (e *Engine) startAPI() error {
	if !e.config.Etcd.configured() {
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
		return nil
	}
	runtime := containerd{e.paths}
	if err := runtime.start(e.node); err != nil {
		return err
	}
	e.node.run("container runtime", runtime.supervise)
	return ensurePauseImage(e.node, e.paths)
}

// startKubelet starts kubelet and the volume driver, which do what they can
// without the API and then wait at the lifeline.
func (e *Engine) startKubelet() error {
	attachDetach, err := prepareAttachDetach(e.controllers, e.paths)
	if err != nil {
		return err
	}
	e.attachDetach = attachDetach
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
func (e *Engine) startNode() error {
	e.controllers.run("scheduler", func(ctx context.Context) error { return runScheduler(ctx, e.paths) })
	e.controllers.run("controllers", func(ctx context.Context) error { return runControllers(ctx, e.paths) })
	e.controllers.run("attach-detach controller", e.attachDetach)
	node, err := ensureNode(e.node, e.client, e.paths, e.config.NodeName)
	if err != nil {
		return err
	}
	_, pods, err := net.ParseCIDR(node.Spec.PodCIDR)
	if err != nil {
		return fmt.Errorf("node %s has no range of pod addresses: %w", node.Name, err)
	}
	if err := markUnreported(e.node, e.client, node); err != nil {
		return err
	}
	if err := markStopped(e.node, e.client, e.config, e.paths); err != nil {
		return err
	}
	e.network = podNetwork{paths: e.paths, name: Instance(e.config.DataDir), pods: pods}
	if err := e.network.ensure(e.node); err != nil {
		return err
	}
	close(e.lifeline.open)
	e.node.run("proxy", func(ctx context.Context) error { return runProxy(ctx, e.config, e.paths) })

	if err := waitUntilAPIReady(e.node, e.client); err != nil {
		return err
	}
	gateway := e.network.gateway()
	if err := applyAddons(e.node, e.access, e.config, e.paths, gateway); err != nil {
		return err
	}
	e.controllers.run("StatefulSet controller", func(ctx context.Context) error { return runPetSets(ctx, e.paths) })
	e.node.run("DNS", func(ctx context.Context) error { return runDNS(ctx, e.paths, gateway) })
	return nil
}

// whileHealthy waits for something, and gives up when a part ends.
func (e *Engine) whileHealthy(wait func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(e.node.Context)
	defer cancel(nil)
	defer context.AfterFunc(e.api.Context, func() { cancel(e.api.Wait()) })()
	defer context.AfterFunc(e.controllers.Context, func() { cancel(e.controllers.Wait()) })()
	defer context.AfterFunc(e.node.Context, func() { cancel(e.node.Wait()) })()
	if err := wait(ctx); err != nil {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
			return cause
		}
		return err
	}
	return nil
}

func (e *Engine) waitForNode(ctx context.Context) error {
	select {
	case <-e.kubeletReady.ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	return waitForNode(ctx, e.client, e.config.NodeName, func(node *corev1.Node) bool {
		return nodeReady(node) && len(node.Spec.Taints) == 0
	})
}

// Wait returns when a part has ended by itself, with the reason, or when the
// engine was stopped.
func (e *Engine) Wait() error {
	failed := make(chan error, 3)
	for _, parts := range []group{e.controllers, e.api, e.node} {
		go func() { failed <- parts.Wait() }()
	}
	var err error
	for range 3 {
		if err = <-failed; err != nil {
			break
		}
	}
	return err
}
