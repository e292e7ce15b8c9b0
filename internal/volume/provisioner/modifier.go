package provisioner

import (
	"context"
	"fmt"
	"sync"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	storagelisters "k8s.io/client-go/listers/storage/v1"
	"k8s.io/klog/v2"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// modifier changes this node's volumes when their claims ask for another
// VolumeAttributesClass. Each of its steps can be repeated.
type modifier struct {
	client  kubernetes.Interface
	driver  spec.ControllerClient
	classes storagelisters.VolumeAttributesClassLister
	// settled are the claims whose last change has an outcome, by their UID. Of
	// those that are not there, as after a restart, nobody knows.
	settled sync.Map
}

// modify does what the claim of volume v asks for, if it asks for anything.
func (m *modifier) modify(ctx context.Context, claim *core.PersistentVolumeClaim, v *core.PersistentVolume) error {
	_, settled := m.settled.Load(claim.UID)
	name, reason := nextModify(claim, !settled)
	if name == "" {
		return nil
	}
	class, err := m.classes.Get(name)
	if apierrors.IsNotFound(err) {
		return m.tell(ctx, claim, func(s core.PersistentVolumeClaimStatus) core.PersistentVolumeClaimStatus {
			return modifyWaits(s, name, meta.Now())
		})
	}
	if err != nil {
		return err
	}
	klog.FromContext(ctx).V(2).Info("Changing a volume", "claim", klog.KObj(claim), "volume", v.Name, "class", name, "reason", reason)
	err = m.tell(ctx, claim, func(s core.PersistentVolumeClaimStatus) core.PersistentVolumeClaimStatus {
		return modifyStarted(s, name, meta.Now())
	})
	if err != nil {
		return err
	}
	if class.DriverName != volume.DriverName {
		err = status.Errorf(codes.InvalidArgument, "the class %s is for the driver %s; the volume is of %s", name, class.DriverName, volume.DriverName)
	} else {
		_, err = m.driver.ControllerModifyVolume(ctx, &spec.ControllerModifyVolumeRequest{
			VolumeId: v.Spec.CSI.VolumeHandle, MutableParameters: class.Parameters,
		})
	}
	if err != nil {
		return m.failed(ctx, claim, name, err)
	}
	m.settled.Store(claim.UID, nil)
	patch := fmt.Appendf(nil, `{"spec":{"volumeAttributesClassName":%q}}`, name)
	if _, err := m.client.CoreV1().PersistentVolumes().Patch(ctx, v.Name, types.MergePatchType, patch, meta.PatchOptions{}); err != nil {
		return err
	}
	return m.tell(ctx, claim, func(s core.PersistentVolumeClaimStatus) core.PersistentVolumeClaimStatus { return modifyDone(s, name) })
}

// failed tells why in the claim. The attempt is repeated: what is in the way may
// go, as a promise to another volume does.
func (m *modifier) failed(ctx context.Context, claim *core.PersistentVolumeClaim, class string, why error) error {
	if certain(status.Code(why)) {
		m.settled.Store(claim.UID, nil)
	} else {
		m.settled.Delete(claim.UID)
	}
	told := m.tell(ctx, claim, func(s core.PersistentVolumeClaimStatus) core.PersistentVolumeClaimStatus {
		return modifyFailed(s, class, status.Code(why), status.Convert(why).Message(), meta.Now())
	})
	if told != nil {
		return told
	}
	return why
}

func (m *modifier) tell(ctx context.Context, claim *core.PersistentVolumeClaim, change statusChange) error {
	return setClaimStatus(ctx, m.client, claim, change)
}
