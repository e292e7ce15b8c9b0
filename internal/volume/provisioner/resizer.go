package provisioner

import (
	"context"
	"fmt"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/status"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
)

// resizer enlarges volumes when their claims ask for more. Kubelet does the last
// of its steps, on the file system.
type resizer struct {
	client kubernetes.Interface
	driver spec.ControllerClient
	// changed is called when the pool's free space may have changed.
	changed func()
}

func (r *resizer) resize(ctx context.Context, claim *core.PersistentVolumeClaim, v *core.PersistentVolume) error {
	step, size, reason := nextResize(claim, v)
	switch step {
	case resizeForget:
		return setClaimStatus(ctx, r.client, claim, resizeForgotten)
	case resizeExpand:
		klog.FromContext(ctx).V(2).Info("Enlarging a volume", "claim", klog.KObj(claim), "volume", v.Name, "bytes", size, "reason", reason)
		return r.expand(ctx, claim, v, size)
	}
	return nil
}

func (r *resizer) expand(ctx context.Context, claim *core.PersistentVolumeClaim, v *core.PersistentVolume, size int64) error {
	err := setClaimStatus(ctx, r.client, claim, func(s core.PersistentVolumeClaimStatus) core.PersistentVolumeClaimStatus {
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
		told := setClaimStatus(ctx, r.client, claim, func(s core.PersistentVolumeClaimStatus) core.PersistentVolumeClaimStatus {
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
	return setClaimStatus(ctx, r.client, claim, func(s core.PersistentVolumeClaimStatus) core.PersistentVolumeClaimStatus {
		return resizeWaitsForNode(s, response.GetCapacityBytes(), meta.Now())
	})
}
