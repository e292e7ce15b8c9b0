package engine

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

const (
	// lookAgain is how often what was made of the nodes is made again, though no node
	// has changed: somebody may have undone it.
	lookAgain = 30 * time.Second
	// tryAgain is how soon after a failure.
	tryAgain = 250 * time.Millisecond
)

// followNodes calls do with all nodes of the cluster: at first, after each change,
// from time to time, and again after it has failed, until ctx ends.
func followNodes(ctx context.Context, client kubernetes.Interface, do func(context.Context, []*corev1.Node) error) error {
	watched := informers.NewSharedInformerFactory(client, 0)
	nodes := watched.Core().V1().Nodes()
	changed := make(chan struct{}, 1)
	change := func(any) {
		select {
		case changed <- struct{}{}:
		default: // is known already
		}
	}
	_, err := nodes.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: change, UpdateFunc: func(_, now any) { change(now) }, DeleteFunc: change,
	})
	if err != nil {
		return err
	}
	watched.StartWithContext(ctx)
	if !cache.WaitForCacheSync(ctx.Done(), nodes.Informer().HasSynced) {
		return nil
	}
	for told := ""; ; {
		all, err := nodes.Lister().List(labels.Everything())
		if err == nil {
			err = do(ctx, all)
		}
		pause := lookAgain
		if err != nil && ctx.Err() == nil {
			pause = tryAgain
			if err.Error() != told {
				told = err.Error()
				klog.FromContext(ctx).Error(err, "What the nodes need could not be done; trying again")
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-time.After(pause):
		}
	}
}

// internalIP is the address under which the other machines reach a node; empty
// while it has not told.
func internalIP(node *corev1.Node) string {
	for _, address := range node.Status.Addresses {
		if address.Type == corev1.NodeInternalIP {
			return address.Address
		}
	}
	return ""
}
