package provisioner

import (
	"context"
	"fmt"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/status"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/retry"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

// resizer enlarges this node's volumes when their claims ask for more. Each of
// its steps can be repeated; kubelet does the last one, on the file system.
type resizer struct {
	client   kubernetes.Interface
	driver   spec.ControllerClient
	nodeName string
	claims   corelisters.PersistentVolumeClaimLister
	volumes  corelisters.PersistentVolumeLister
	changed  func()
	queue    workqueue.TypedRateLimitingInterface[cache.ObjectName]
}

func newResizer(client kubernetes.Interface, driver spec.ControllerClient, nodeName string,
	claims coreinformers.PersistentVolumeClaimInformer, volumes corelisters.PersistentVolumeLister, changed func(),
) (*resizer, error) {
	r := &resizer{
		client: client, driver: driver, nodeName: nodeName,
		claims: claims.Lister(), volumes: volumes, changed: changed,
		queue: workqueue.NewTypedRateLimitingQueue(
			workqueue.NewTypedItemExponentialFailureRateLimiter[cache.ObjectName](firstRetry, lastRetry)),
	}
	_, err := claims.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    r.enqueue,
		UpdateFunc: func(_, claim any) { r.enqueue(claim) },
	})
	return r, err
}

func (r *resizer) enqueue(object any) {
	claim := object.(*core.PersistentVolumeClaim)
	if claim.Spec.VolumeName != "" {
		r.queue.Add(cache.MetaObjectToName(claim))
	}
}

// run works until ctx ends and what is under way is done.
func (r *resizer) run(ctx context.Context) {
	defer context.AfterFunc(ctx, r.queue.ShutDown)()
	var group errgroup.Group
	for range workers {
		group.Go(func() error {
			for r.next(ctx) {
			}
			return nil
		})
	}
	_ = group.Wait() // the workers return no errors
}

func (r *resizer) next(ctx context.Context) bool {
	name, shutdown := r.queue.Get()
	if shutdown {
		return false
	}
	defer r.queue.Done(name)
	if err := r.resize(ctx, name); err != nil {
		klog.FromContext(ctx).Error(err, "Cannot enlarge the volume of a claim", "claim", name)
		r.queue.AddRateLimited(name)
	} else {
		r.queue.Forget(name)
	}
	return true
}

func (r *resizer) resize(ctx context.Context, name cache.ObjectName) error {
	claim, err := r.claims.PersistentVolumeClaims(name.Namespace).Get(name.Name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	v, err := r.volumes.Get(claim.Spec.VolumeName)
	if apierrors.IsNotFound(err) {
		if claim.Spec.VolumeName != "" && claim.Status.Phase != core.ClaimLost {
			// Claims and volumes are watched apart: the volume has not been seen yet.
			r.queue.AddAfter(name, firstRetry)
		}
		return nil
	}
	if err != nil || !isOn(v, r.nodeName) {
		return err
	}
	step, size, reason := nextResize(claim, v)
	switch step {
	case resizeForget:
		return r.setStatus(ctx, claim, resizeForgotten)
	case resizeExpand:
		klog.FromContext(ctx).V(2).Info("Enlarging a volume", "claim", name, "volume", v.Name, "bytes", size, "reason", reason)
		return r.expand(ctx, claim, v, size)
	}
	return nil
}

func (r *resizer) expand(ctx context.Context, claim *core.PersistentVolumeClaim, v *core.PersistentVolume, size int64) error {
	err := r.setStatus(ctx, claim, func(s core.PersistentVolumeClaimStatus) core.PersistentVolumeClaimStatus {
		return resizeStarted(s, size)
	})
	if err != nil {
		return err
	}
	response, err := r.driver.ControllerExpandVolume(ctx, &spec.ControllerExpandVolumeRequest{
		VolumeId:      v.Spec.CSI.VolumeHandle,
		CapacityRange: &spec.CapacityRange{RequiredBytes: size},
	})
	r.changed()
	if err != nil {
		told := r.setStatus(ctx, claim, func(s core.PersistentVolumeClaimStatus) core.PersistentVolumeClaimStatus {
			return resizeFailed(s, size, status.Code(err), status.Convert(err).Message(), meta.Now())
		})
		if told != nil {
			return told
		}
		return err
	}
	capacity := resource.NewQuantity(response.GetCapacityBytes(), resource.BinarySI).String()
	patch := fmt.Appendf(nil, `{"spec":{"capacity":{"storage":%q}}}`, capacity)
	if _, err := r.client.CoreV1().PersistentVolumes().Patch(ctx, v.Name, types.MergePatchType, patch, meta.PatchOptions{}); err != nil {
		return err
	}
	return r.setStatus(ctx, claim, func(s core.PersistentVolumeClaimStatus) core.PersistentVolumeClaimStatus {
		return resizeWaitsForNode(s, response.GetCapacityBytes(), meta.Now())
	})
}

// setStatus writes a claim's new status, unless the claim has been replaced. A
// status that is the same already is not written: each write brings the claim
// back at once, and a claim that cannot grow must be left in peace meanwhile.
func (r *resizer) setStatus(ctx context.Context, claim *core.PersistentVolumeClaim,
	change func(core.PersistentVolumeClaimStatus) core.PersistentVolumeClaimStatus,
) error {
	client := r.client.CoreV1().PersistentVolumeClaims(claim.Namespace)
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		current, err := client.Get(ctx, claim.Name, meta.GetOptions{})
		if err != nil || current.UID != claim.UID {
			return err
		}
		changed := change(current.Status)
		if equality.Semantic.DeepEqual(changed, current.Status) {
			return nil
		}
		current.Status = changed
		_, err = client.UpdateStatus(ctx, current, meta.UpdateOptions{})
		return err
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
