// Package poolstatus tells the cluster of a node's pools of volumes, in a resource
// Pool for each: what it has, what it was measured to do, what it owes to whom, and
// whether it can be used. The pool on its node is what counts; the resource follows it.
package poolstatus

import (
	"context"
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/volume"
)

// interval is how often the pools are looked at. What has not changed is not
// written.
const interval = 5 * time.Second

// achievedRounds is how many intervals pass between two looks at what volumes do:
// that changes all the time.
const achievedRounds = 6

// Config says whose pools they are.
type Config struct {
	// RESTConfig reaches the API server.
	RESTConfig *rest.Config
	NodeName   string
	Pools      *volume.Pools
}

// Run keeps the Pools up to date until ctx ends. It repeats what fails; the error
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
	told, tidied := "", false
	for round := 0; ; round++ {
		err := publishAll(ctx, cluster, c, round%achievedRounds == 0)
		if !tidied { // which pools are declared does not change while this runs
			failed := removeOthers(ctx, cluster, c)
			tidied, err = failed == nil, errors.Join(err, failed)
		}
		if err != nil && ctx.Err() == nil && err.Error() != told {
			told = err.Error()
			klog.FromContext(ctx).Info("Cannot tell the cluster of the pools of volumes", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
	}
}

// publishAll makes the resources say what is, and what volumes do now if that is
// fresh.
func publishAll(ctx context.Context, cluster client.Client, c Config, fresh bool) error {
	var failed []error
	for _, name := range c.Pools.Names() {
		failed = append(failed, publish(ctx, cluster, c, name, fresh))
	}
	return errors.Join(failed...)
}

// removeOthers removes the resources of pools that are not declared any more.
func removeOthers(ctx context.Context, cluster client.Client, c Config) error {
	all := &v1alpha1.PoolList{}
	if err := cluster.List(ctx, all); err != nil {
		return err
	}
	var failed []error
	for i := range all.Items {
		if pool := &all.Items[i]; pool.Spec.NodeName == c.NodeName && !slices.Contains(c.Pools.Names(), pool.Spec.Name) {
			failed = append(failed, client.IgnoreNotFound(cluster.Delete(ctx, pool)))
		}
	}
	return errors.Join(failed...)
}

// publish makes the resource of one pool say what is.
func publish(ctx context.Context, cluster client.Client, c Config, name string, fresh bool) error {
	now, unusable := observe(c.Pools, name)
	wanted := specOf(c, name)
	pool := &v1alpha1.Pool{}
	err := cluster.Get(ctx, client.ObjectKey{Name: resourceName(c.NodeName, name)}, pool)
	if apierrors.IsNotFound(err) {
		if pool, err = create(ctx, cluster, wanted); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if pool.Spec != wanted {
		pool.Spec = wanted // its disk is mounted elsewhere than it was
		if err := cluster.Update(ctx, pool); err != nil {
			return err
		}
	}
	status := withAchieved(statusOf(now), pool.Status, now.performance, fresh)
	if unusable != nil {
		status = unusableStatus(pool.Status)
	}
	status.Conditions = slices.Clone(pool.Status.Conditions)
	apimeta.SetStatusCondition(&status.Conditions, ready(unusable))
	if unusable == nil {
		apimeta.SetStatusCondition(&status.Conditions, directories(now.noDirectories))
	}
	if equality.Semantic.DeepEqual(status, pool.Status) {
		return nil
	}
	pool.Status = status
	return cluster.Status().Update(ctx, pool)
}

// resourceName is the name of a pool's resource: for the default pool its node's.
func resourceName(nodeName, pool string) string {
	if pool == volume.DefaultPool {
		return nodeName
	}
	return nodeName + "." + pool
}

func specOf(c Config, name string) v1alpha1.PoolSpec {
	directory, device := c.Pools.Where(name)
	return v1alpha1.PoolSpec{NodeName: c.NodeName, Name: name, Directory: directory, Device: device}
}

// create makes the resource, which goes when its node does.
func create(ctx context.Context, cluster client.Client, spec v1alpha1.PoolSpec) (*v1alpha1.Pool, error) {
	node := &corev1.Node{}
	if err := cluster.Get(ctx, client.ObjectKey{Name: spec.NodeName}, node); err != nil {
		return nil, err
	}
	pool := &v1alpha1.Pool{
		ObjectMeta: metav1.ObjectMeta{Name: resourceName(spec.NodeName, spec.Name), OwnerReferences: []metav1.OwnerReference{
			{APIVersion: "v1", Kind: "Node", Name: node.Name, UID: node.UID},
		}},
		Spec: spec,
	}
	return pool, cluster.Create(ctx, pool)
}

// observe looks at a pool; the error says why it cannot be used.
func observe(pools *volume.Pools, name string) (observed, error) {
	p, err := pools.Pool(name)
	if err != nil {
		return observed{}, err
	}
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
	return observed{capacity, available, ledger, records, p.Performance(), p.CanHaveDirectories()}, err
}
