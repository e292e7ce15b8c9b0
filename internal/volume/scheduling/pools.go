package scheduling

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// resync looks again at what waits, for promises that have become too old.
const resync = 30 * time.Second

const byNode = "node"

// pools are what the nodes tell of their pools.
type pools struct{ cache.SharedIndexInformer }

// newPools watches the Pools of a cluster, once it is run. Until the kind is
// served it tries again.
func newPools(access *rest.Config) (pools, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return pools{}, err
	}
	config := rest.CopyConfig(access)
	config.APIPath, config.GroupVersion = "/apis", &v1alpha1.GroupVersion
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON // there is no protobuf of Pools
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return pools{}, fmt.Errorf("reach the API server for Pools: %w", err)
	}
	all := cache.NewListWatchFromClient(client, "pools", "", fields.Everything())
	return pools{cache.NewSharedIndexInformer(all, &v1alpha1.Pool{}, resync, cache.Indexers{byNode: func(object any) ([]string, error) {
		return []string{object.(*v1alpha1.Pool).Spec.NodeName}, nil
	}})}, nil
}

// on gives the pools of a node.
func (p pools) on(node string) []*v1alpha1.Pool {
	objects, _ := p.GetIndexer().ByIndex(byNode, node) // there is that index
	var there []*v1alpha1.Pool
	for _, object := range objects {
		there = append(there, object.(*v1alpha1.Pool))
	}
	return there
}
