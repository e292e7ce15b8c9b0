package sidecars

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/storage/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	storage "k8s.io/api/storage/v1"
)

// resync looks at every object again, for what no event told of.
const resync = 10 * time.Minute

// Config says for which node's drivers the sidecars work.
type Config struct {
	// RESTConfig reaches the API server. Its user needs Rules.
	RESTConfig *rest.Config
	NodeName   string
	// KubeletDir is kubelet's root directory, where drivers register.
	KubeletDir string
	// Namespace holds the drivers' Leases and CSIStorageCapacity objects.
	Namespace string
	// Holds tells whether the node's lease of the fence holds: nothing is begun
	// otherwise. A node that has none holds it always.
	Holds func() bool
}

func (c Config) registryDir() string { return filepath.Join(c.KubeletDir, "plugins_registry") }

// Run works for the node's drivers until ctx ends. What fails for one of them is
// logged and repeated; the error is one of the configuration.
func Run(ctx context.Context, config Config) error {
	clients, err := newClients(config.RESTConfig)
	if err != nil {
		return err
	}
	return run(ctx, config, clients, func(ctx context.Context, s served) { work(ctx, config, clients, s) })
}

// run has a worker for each driver that is served on the node.
func run(ctx context.Context, config Config, c clients, work func(context.Context, served)) error {
	drivers := informers.NewSharedInformerFactory(c.kubernetes, resync)
	node := ofNode(c.kubernetes, config.NodeName)
	driverList, nodeList := drivers.Storage().V1().CSIDrivers(), node.Storage().V1().CSINodes()
	changed := make(chan struct{}, 1)
	tell := func(any) {
		select {
		case changed <- struct{}{}:
		default: // it knows already
		}
	}
	handler := cache.ResourceEventHandlerFuncs{AddFunc: tell, UpdateFunc: func(_, now any) { tell(now) }, DeleteFunc: tell}
	for _, informer := range []cache.SharedIndexInformer{driverList.Informer(), nodeList.Informer()} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return err
		}
	}
	for _, factory := range []informers.SharedInformerFactory{drivers, node} {
		factory.Start(ctx.Done())
		defer factory.Shutdown()
		factory.WaitForCacheSync(ctx.Done())
	}
	workers := workers{work: work, running: map[string]worker{}}
	defer workers.follow(ctx, nil)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
		wanted, err := servedNow(nodeList.Lister(), driverList.Lister(), config.NodeName)
		if err != nil {
			return err
		}
		workers.follow(ctx, wanted)
	}
}

// ofNode gives informers of what is named like the node.
func ofNode(client kubernetes.Interface, name string) informers.SharedInformerFactory {
	return informers.NewSharedInformerFactoryWithOptions(client, resync, informers.WithTweakListOptions(func(o *meta.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("metadata.name", name).String()
	}))
}

func servedNow(nodes listers.CSINodeLister, drivers listers.CSIDriverLister, name string) (map[string]served, error) {
	node, err := nodes.Get(name)
	if apierrors.IsNotFound(err) {
		node, err = &storage.CSINode{}, nil // kubelet has not begun
	}
	if err != nil {
		return nil, fmt.Errorf("look up which CSI drivers are on node %s: %w", name, err)
	}
	all, err := drivers.List(labels.Everything())
	if err != nil {
		return nil, fmt.Errorf("list the CSI drivers: %w", err)
	}
	return servedOn(node, all), nil
}

// workers are what runs, by the driver's name.
type workers struct {
	work    func(context.Context, served)
	running map[string]worker
}

type worker struct {
	served served
	stop   func() // waits until it has ended
}

// follow ends the workers of drivers that are gone or have changed, and begins
// those that are missing.
func (w workers) follow(ctx context.Context, wanted map[string]served) {
	for name, running := range w.running {
		if now, still := wanted[name]; !still || now != running.served {
			running.stop()
			delete(w.running, name)
			klog.FromContext(ctx).Info("Stopped the sidecars of a CSI driver", "driver", name)
		}
	}
	for name, driver := range wanted {
		if _, runs := w.running[name]; runs {
			continue
		}
		ctx, cancel := context.WithCancel(ctx)
		var ended sync.WaitGroup
		ended.Go(func() { w.work(ctx, driver) })
		w.running[name] = worker{served: driver, stop: func() { cancel(); ended.Wait() }}
	}
}
