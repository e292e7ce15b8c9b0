package provisioner

import (
	"context"
	"fmt"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/kubernetes-csi/external-snapshotter/client/v8/clientset/versioned"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	storagelisters "k8s.io/client-go/listers/storage/v1"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// provisioner makes and deletes the volumes of one node.
type provisioner struct {
	client kubernetes.Interface
	// snapshots reads the snapshots that claims begin with.
	snapshots  versioned.Interface
	driver     spec.ControllerClient
	nodeName   string
	classes    storagelisters.StorageClassLister
	attributes storagelisters.VolumeAttributesClassLister
	// changed is called when the pool's free space may have changed.
	changed func()
}

var (
	_ controller.Provisioner      = &provisioner{}
	_ controller.Qualifier        = &provisioner{}
	_ controller.DeletionGuard    = &provisioner{}
	_ controller.BlockProvisioner = &provisioner{}
)

// ShouldProvision says whether the claim is this node's. A claim that is bound
// at once, without a pod, is the first node's that writes its name to it; one with
// a source belongs to the node where that is.
func (p *provisioner) ShouldProvision(ctx context.Context, claim *core.PersistentVolumeClaim) bool {
	selected := claim.Annotations[selectedNode]
	if selected != "" && selected != p.nodeName {
		return false
	}
	from, unknown := p.locate(ctx, claim)
	if unknown != nil {
		from.node = "" // Provision tells the claim's user
	}
	var err error
	switch whoseTurn(p.nodeName, selected, from.node, p.bindsAtOnce(claim)) {
	case turnProvision:
		return true
	case turnGive:
		klog.FromContext(ctx).Info("A claim goes to the node where its source is", "claim", klog.KObj(claim), "node", from.node)
		err = p.giveTo(ctx, claim, from.node)
	case turnTake:
		err = p.takeUnassigned(ctx, claim)
	}
	if err != nil {
		klog.FromContext(ctx).Error(err, "Cannot give a claim to a node", "claim", klog.KObj(claim))
	}
	return false // the claim comes again when it has a node
}

// ShouldDelete says whether the volume is on this node.
func (p *provisioner) ShouldDelete(_ context.Context, v *core.PersistentVolume) bool {
	return isOn(v, p.nodeName)
}

// SupportsBlock: raw block volumes are served.
func (p *provisioner) SupportsBlock(context.Context) bool { return true }

// Provision makes the claim's volume and gives the object that stands for it.
func (p *provisioner) Provision(ctx context.Context, o controller.ProvisionOptions) (*core.PersistentVolume, controller.ProvisioningState, error) {
	from, err := p.locate(ctx, o.PVC)
	if err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	request, err := createRequest(o, p.nodeName, from.content)
	if err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	if request.MutableParameters, err = p.attributesOf(o.PVC); err != nil {
		return nil, controller.ProvisioningNoChange, err
	}
	response, err := p.driver.CreateVolume(ctx, request)
	p.changed()
	if err != nil {
		return nil, stateAfter(err, from), err
	}
	return persistentVolume(o, p.nodeName, response.GetVolume()), controller.ProvisioningFinished, nil
}

// attributesOf gives the parameters of the claim's volume attributes class.
func (p *provisioner) attributesOf(claim *core.PersistentVolumeClaim) (map[string]string, error) {
	name := ptr.Deref(claim.Spec.VolumeAttributesClassName, "")
	if name == "" {
		return nil, nil
	}
	class, err := p.attributes.Get(name)
	switch {
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("there is no VolumeAttributesClass %s, which the claim asks for; the volume is made as soon as there is", name)
	case err != nil:
		return nil, err
	case class.DriverName != volume.DriverName:
		return nil, fmt.Errorf("the VolumeAttributesClass %s is for the driver %s; the volume is of %s", name, class.DriverName, volume.DriverName)
	}
	return class.Parameters, nil
}

// Delete removes the volume's data.
func (p *provisioner) Delete(ctx context.Context, v *core.PersistentVolume) error {
	_, err := p.driver.DeleteVolume(ctx, &spec.DeleteVolumeRequest{VolumeId: v.Spec.CSI.VolumeHandle})
	p.changed()
	return err
}
