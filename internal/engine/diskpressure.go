package engine

import (
	"fmt"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/api/resource"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// setDiskPressure tells kubelet when the disk of the data directory is too full. By
// default it removes images from 85 per cent on, and evicts pods when a tenth or so
// is left. But volumes may fill all but the pool's reserve, by design, and images that
// were imported cannot be had again. So both begin well within that reserve: images go
// first, then pods.
func setDiskPressure(k *kubeletconfig.KubeletConfiguration, dataDir string) error {
	var s unix.Statfs_t
	if err := unix.Statfs(dataDir, &s); err != nil {
		return fmt.Errorf("look how large the disk of %s is: %w", dataDir, err)
	}
	k.ImageGCHighThresholdPercent = 100 // never for this reason
	k.EvictionHard = evictionThresholds(int64(s.Blocks) * int64(s.Bsize))
	return nil
}

// evictionThresholds are kubelet's own, but for the bytes that must be left on a disk
// of so many bytes.
func evictionThresholds(total int64) map[string]string {
	left := resource.NewQuantity(volume.Reserve(total)/2, resource.BinarySI).String()
	return map[string]string{
		"memory.available": "100Mi",
		"nodefs.available": left, "nodefs.inodesFree": "5%",
		"imagefs.available": left, "imagefs.inodesFree": "5%",
	}
}
