package provisioner

import (
	"testing"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// kubelet asks for the file system that is written in the volume, and a directory
// has none of its own.
func TestFileSystemOfAVolume(t *testing.T) {
	block := core.PersistentVolumeBlock
	for _, c := range []struct {
		why        string
		parameters map[string]string
		mode       *core.PersistentVolumeMode
		want       string
	}{
		{"the class says nothing", nil, nil, "ext4"},
		{"the class says", map[string]string{fsTypeKey: "xfs"}, nil, "xfs"},
		{"a file", map[string]string{"backend": "file"}, nil, "ext4"},
		{"a directory", map[string]string{"backend": "directory"}, nil, ""},
		{"raw blocks", nil, &block, ""},
	} {
		o := controller.ProvisionOptions{StorageClass: &storage.StorageClass{Parameters: c.parameters}, PVC: &core.PersistentVolumeClaim{}}
		o.PVC.Spec.VolumeMode = c.mode
		if got := persistentVolume(o, "node-a", &spec.Volume{VolumeId: "v"}).Spec.CSI.FSType; got != c.want {
			t.Errorf("%s: %q, want %q", c.why, got, c.want)
		}
	}
}
