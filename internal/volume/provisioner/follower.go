package provisioner

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"
	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	coreinformers "k8s.io/client-go/informers/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
)

// step brings a volume of this node a step nearer to what its claim asks for. It
// may be repeated at any time.
type step func(ctx context.Context, claim *core.PersistentVolumeClaim, v *core.PersistentVolume) error

// follower lets this node's volumes follow their claims.
type follower struct {
	nodeName string
	claims   corelisters.PersistentVolumeClaimLister
	volumes  corelisters.PersistentVolumeLister
	steps    []step
	queue    workqueue.TypedRateLimitingInterface[cache.ObjectName]
}

func newFollower(nodeName string, claims coreinformers.PersistentVolumeClaimInformer, volumes corelisters.PersistentVolumeLister,
	attributes cache.SharedIndexInformer, steps ...step,
) (*follower, error) {
	f := &follower{
		nodeName: nodeName, claims: claims.Lister(), volumes: volumes, steps: steps,
		queue: workqueue.NewTypedRateLimitingQueue(
			workqueue.NewTypedItemExponentialFailureRateLimiter[cache.ObjectName](firstRetry, lastRetry)),
	}
	_, err := claims.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    f.enqueue,
		UpdateFunc: func(_, claim any) { f.enqueue(claim) },
	})
	_, failed := attributes.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: f.enqueueThoseOf})
	return f, errors.Join(err, failed)
}

func (f *follower) enqueue(object any) {
	claim := object.(*core.PersistentVolumeClaim)
	if claim.Spec.VolumeName != "" {
		f.queue.Add(cache.MetaObjectToName(claim))
	}
}

// enqueueThoseOf looks again at the claims that may have waited for a class.
func (f *follower) enqueueThoseOf(object any) {
	class := object.(*storage.VolumeAttributesClass)
	claims, _ := f.claims.List(labels.Everything()) // a cache has no errors
	for _, claim := range claims {
		if ptr.Deref(claim.Spec.VolumeAttributesClassName, "") == class.Name {
			f.enqueue(claim)
		}
	}
}

// run works until ctx ends and what is under way is done.
func (f *follower) run(ctx context.Context) {
	defer context.AfterFunc(ctx, f.queue.ShutDown)()
	var group errgroup.Group
	for range workers {
		group.Go(func() error {
			for f.next(ctx) {
			}
			return nil
		})
	}
	_ = group.Wait() // the workers return no errors
}

func (f *follower) next(ctx context.Context) bool {
	name, shutdown := f.queue.Get()
	if shutdown {
		return false
	}
	defer f.queue.Done(name)
	if err := f.follow(ctx, name); err != nil {
		klog.FromContext(ctx).Error(err, "Cannot give a volume what its claim asks for", "claim", name)
		f.queue.AddRateLimited(name)
	} else {
		f.queue.Forget(name)
	}
	return true
}

func (f *follower) follow(ctx context.Context, name cache.ObjectName) error {
	claim, err := f.claims.PersistentVolumeClaims(name.Namespace).Get(name.Name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	v, err := f.volumes.Get(claim.Spec.VolumeName)
	if apierrors.IsNotFound(err) {
		if claim.Spec.VolumeName != "" && claim.Status.Phase != core.ClaimLost {
			// Claims and volumes are watched apart: the volume has not been seen yet.
			f.queue.AddAfter(name, firstRetry)
		}
		return nil
	}
	if err != nil || !isOn(v, f.nodeName) {
		return err
	}
	var failed []error
	for _, step := range f.steps {
		failed = append(failed, step(ctx, claim, v))
	}
	return errors.Join(failed...)
}
