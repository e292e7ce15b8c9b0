// Package poolstatus tells the cluster of a node's pool of volumes, in the
// resource Pool: what it has, what it was measured to do, and what it owes to
// whom. The pool on its node is what counts; the resource follows it.
package poolstatus

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/volume"
)

// interval is how often the pool is looked at. What has not changed is not
// written.
const interval = 5 * time.Second

// achievedRounds is how many intervals pass between two looks at what volumes do:
// that changes all the time.
const achievedRounds = 6

// Config says whose pool it is.
type Config struct {
	// RESTConfig reaches the API server.
	RESTConfig *rest.Config
	NodeName   string
	Pool       *volume.Pool
}

// Run keeps the Pool up to date until ctx ends. It repeats what fails; the error
// is one of the configuration.
func Run(ctx context.Context, c Config) error {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return err
	}
	if err := corev1.AddToScheme(scheme); err != nil {
		return err
	}
	config := rest.CopyConfig(c.RESTConfig)
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON // there is no protobuf of Pools
	// The kinds are known, so nobody need be asked for them before there are any.
	cluster, err := client.New(config, client.Options{Scheme: scheme, Mapper: mapper()})
	if err != nil {
		return err
	}
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	told := ""
	for round := 0; ; round++ {
		if err := publish(ctx, cluster, c, round%achievedRounds == 0); err != nil && ctx.Err() == nil && err.Error() != told {
			told = err.Error()
			klog.FromContext(ctx).Info("Cannot tell the cluster of the pool of volumes", "pool", c.Pool.Dir(), "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
	}
}

// publish makes the resource say what is, and what volumes do now if that is fresh.
func publish(ctx context.Context, cluster client.Client, c Config, fresh bool) error {
	now, err := observe(c.Pool)
	if err != nil {
		return err
	}
	pool := &v1alpha1.Pool{}
	err = cluster.Get(ctx, client.ObjectKey{Name: c.NodeName}, pool)
	if apierrors.IsNotFound(err) {
		if pool, err = create(ctx, cluster, c); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	status := withAchieved(statusOf(now), pool.Status, c.Pool.Performance(), fresh)
	if equality.Semantic.DeepEqual(status, pool.Status) {
		return nil
	}
	pool.Status = status
	return cluster.Status().Update(ctx, pool)
}

// create makes the resource, which goes when its node does.
func create(ctx context.Context, cluster client.Client, c Config) (*v1alpha1.Pool, error) {
	node := &corev1.Node{}
	if err := cluster.Get(ctx, client.ObjectKey{Name: c.NodeName}, node); err != nil {
		return nil, err
	}
	pool := &v1alpha1.Pool{
		ObjectMeta: metav1.ObjectMeta{Name: c.NodeName, OwnerReferences: []metav1.OwnerReference{
			{APIVersion: "v1", Kind: "Node", Name: node.Name, UID: node.UID},
		}},
		Spec: v1alpha1.PoolSpec{NodeName: c.NodeName, Directory: c.Pool.Dir()},
	}
	return pool, cluster.Create(ctx, pool)
}

func observe(p *volume.Pool) (observed, error) {
	capacity, err := p.Capacity()
	if err != nil {
		return observed{}, err
	}
	available, err := p.Available()
	if err != nil {
		return observed{}, err
	}
	ledger, err := p.Ledger()
	if err != nil {
		return observed{}, err
	}
	records, err := p.List()
	return observed{capacity, available, ledger, records}, err
}
