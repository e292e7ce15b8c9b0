package controller

import (
	"context"
	"fmt"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	appslisters "k8s.io/client-go/listers/apps/v1"
	toolscache "k8s.io/client-go/tools/cache"
	kubecontroller "k8s.io/kubernetes/pkg/controller"
	"k8s.io/kubernetes/pkg/controller/history"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mainstay-io/mainstay/internal/petset"
)

// caches are the manager's informers, read through their indexers: no object
// is copied on its way to the rules. Nobody may change what comes out of them.
type caches struct {
	sets      toolscache.SharedIndexInformer
	pods      toolscache.SharedIndexInformer
	claims    toolscache.SharedIndexInformer
	revisions toolscache.SharedIndexInformer
	nodes     toolscache.SharedIndexInformer
	volumes   toolscache.SharedIndexInformer
}

// setsByClaim indexes sets by their claims' names without the ordinal.
const setsByClaim = "petset.mainstay.dev/claim"

// lostVolumes indexes the volumes that were kept when their claims were replaced, by
// those.
const lostVolumes = "petset.mainstay.dev/lost"

func newCaches(ctx context.Context, kind kind, from cache.Cache) (*caches, error) {
	c := &caches{}
	for _, want := range []struct {
		object client.Object
		into   *toolscache.SharedIndexInformer
	}{
		{kind.empty(), &c.sets},
		{&corev1.Pod{}, &c.pods},
		{&corev1.PersistentVolumeClaim{}, &c.claims},
		{&apps.ControllerRevision{}, &c.revisions},
		{&corev1.Node{}, &c.nodes},
		{&corev1.PersistentVolume{}, &c.volumes},
	} {
		informer, err := informerOf(ctx, from, want.object)
		if err != nil {
			return nil, err
		}
		*want.into = informer
	}
	if err := kubecontroller.AddPodControllerIndexer(c.pods); err != nil {
		return nil, err
	}
	if err := history.AddControllerRevisionControllerIndexer(c.revisions); err != nil {
		return nil, err
	}
	if err := addVolumeIndexer(c.volumes); err != nil {
		return nil, err
	}
	return c, c.sets.AddIndexers(toolscache.Indexers{setsByClaim: claimPrefixes(kind)})
}

func informerOf(ctx context.Context, from cache.Cache, object client.Object) (toolscache.SharedIndexInformer, error) {
	informer, err := from.GetInformer(ctx, object)
	if err != nil {
		return nil, err
	}
	shared, ok := informer.(toolscache.SharedIndexInformer)
	if !ok {
		return nil, fmt.Errorf("the manager's cache of %T must hold all namespaces in one informer, not be a %T", object, informer)
	}
	return shared, nil
}

// claimPrefixes returns a key for each claim template of a set: the claims of
// NAMESPACE/TEMPLATE-SET are TEMPLATE-SET-ORDINAL.
func claimPrefixes(kind kind) toolscache.IndexFunc {
	return func(obj any) ([]string, error) {
		set, ok := obj.(client.Object)
		if !ok {
			return nil, nil
		}
		templates := kind.claimTemplates(set)
		keys := make([]string, 0, len(templates))
		for i := range templates {
			keys = append(keys, set.GetNamespace()+"/"+templates[i].Name+"-"+set.GetName())
		}
		return keys, nil
	}
}

// set returns nil when there is none.
func (c *caches) set(key types.NamespacedName) client.Object {
	obj, exists, err := c.sets.GetStore().GetByKey(key.String())
	if err != nil || !exists {
		return nil
	}
	return obj.(client.Object)
}

// podsAndOrphans returns the pods that the set controls and those of its
// namespace that nobody controls.
func (c *caches) podsAndOrphans(set petset.Set) ([]*corev1.Pod, error) {
	owner := &metav1.ObjectMeta{Namespace: set.Namespace, Name: set.Name, UID: set.UID}
	return kubecontroller.FilterPodsByOwner(c.pods.GetIndexer(), owner, set.Kind.Kind, true)
}

// claim returns nil when there is none.
func (c *caches) claim(namespace, name string) *corev1.PersistentVolumeClaim {
	obj, exists, err := c.claims.GetStore().GetByKey(namespace + "/" + name)
	if err != nil || !exists {
		return nil
	}
	return obj.(*corev1.PersistentVolumeClaim)
}

// fenced: the node is there, and surely down.
func (c *caches) fenced(node string) bool {
	obj, exists, err := c.nodes.GetStore().GetByKey(node)
	return err == nil && exists && petset.Fenced(obj.(*corev1.Node))
}

// volume returns nil when there is none.
func (c *caches) volume(name string) *corev1.PersistentVolume {
	obj, exists, err := c.volumes.GetStore().GetByKey(name)
	if err != nil || !exists {
		return nil
	}
	return obj.(*corev1.PersistentVolume)
}

func (c *caches) revisionLister() appslisters.ControllerRevisionLister {
	return appslisters.NewControllerRevisionLister(c.revisions.GetIndexer())
}
