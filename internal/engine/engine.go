package engine

import (
	"context"
	"errors"
	"sync/atomic"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
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
	leads        atomic.Bool  // this server's controllers are those of the cluster
}

// New returns an engine that is ready to Start.
func New(config Config) *Engine {
	e := &Engine{config: config, paths: Paths{DataDir: config.DataDir}, kubeletReady: newReadiness(), lifeline: newLifeline()}
	e.phase.Store("starting")
	return e
}

// Phase tells what the engine is doing, in a person's words.
func (e *Engine) Phase() string { return e.phase.Load().(string) }

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
