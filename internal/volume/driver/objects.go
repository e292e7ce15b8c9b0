package driver

import (
	core "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	storage "k8s.io/api/storage/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/snapshots"
)

// ClassName is the default storage class.
const ClassName = "mainstay"

// CSIDriver tells Kubernetes what the driver needs and does.
func CSIDriver() *storage.CSIDriver {
	no, yes := false, true
	filePolicy := storage.FileFSGroupPolicy
	return &storage.CSIDriver{
		TypeMeta:   meta.TypeMeta{APIVersion: "storage.k8s.io/v1", Kind: "CSIDriver"},
		ObjectMeta: meta.ObjectMeta{Name: volume.DriverName},
		Spec: storage.CSIDriverSpec{
			// A volume is on one node only, so there is nothing to attach it to.
			AttachRequired: &no,
			PodInfoOnMount: &no,
			// A pod whose group owns its volume can write to it.
			FSGroupPolicy: &filePolicy,
			// The scheduler gives claims only to nodes that have room.
			StorageCapacity:      &yes,
			VolumeLifecycleModes: []storage.VolumeLifecycleMode{storage.VolumeLifecyclePersistent},
		},
	}
}

// StorageClass is the class of claims that name none.
func StorageClass() *storage.StorageClass {
	yes := true
	remove := core.PersistentVolumeReclaimDelete
	// The scheduler chooses the node with the pod in mind, then the volume is made there.
	late := storage.VolumeBindingWaitForFirstConsumer
	return &storage.StorageClass{
		TypeMeta: meta.TypeMeta{APIVersion: "storage.k8s.io/v1", Kind: "StorageClass"},
		ObjectMeta: meta.ObjectMeta{
			Name:        ClassName,
			Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"},
		},
		Provisioner:          volume.DriverName,
		AllowVolumeExpansion: &yes,
		ReclaimPolicy:        &remove,
		VolumeBindingMode:    &late,
	}
}

// Rules is what the driver's user may do in the cluster, for a ClusterRole.
func Rules() []rbac.PolicyRule {
	rule := func(group string, resources []string, verbs ...string) rbac.PolicyRule {
		return rbac.PolicyRule{APIGroups: []string{group}, Resources: resources, Verbs: verbs}
	}
	return append(snapshots.NodeRules(),
		rule("", []string{"persistentvolumes"}, "get", "list", "watch", "create", "patch", "delete"),
		rule("", []string{"persistentvolumeclaims"}, "get", "list", "watch", "update"),
		rule("", []string{"persistentvolumeclaims/status"}, "update"),
		rule("", []string{"nodes"}, "get"),
		rule("", []string{"events"}, "create", "patch"),
		rule("storage.k8s.io", []string{"storageclasses", "volumeattributesclasses"}, "list", "watch"),
		rule("mainstay.dev", []string{"pools"}, "get", "list", "create", "update", "delete"),
		rule("mainstay.dev", []string{"pools/status"}, "update"),
		rule("storage.k8s.io", []string{"csistoragecapacities"}, "list", "create", "update", "delete"),
	)
}
