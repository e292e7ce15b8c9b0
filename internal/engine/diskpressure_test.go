package engine

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// However large the disk is, volumes that fill it to the pool's reserve put no
// pressure on it.
func TestVolumesPutNoPressureOnTheDisk(t *testing.T) {
	for total := int64(512 << 20); total < 1<<50; total = total*3/2 + 4096 {
		for signal, text := range evictionThresholds(total) {
			if signal != "nodefs.available" && signal != "imagefs.available" {
				continue
			}
			left := resource.MustParse(text)
			if left.Value() <= 0 || left.Value() >= volume.Reserve(total) {
				t.Errorf("of %d bytes volumes leave %d, and %s is %s", total, volume.Reserve(total), signal, text)
			}
		}
	}
	var k kubeletconfig.KubeletConfiguration
	if err := setDiskPressure(&k, t.TempDir()); err != nil || len(k.EvictionHard) != 5 || k.ImageGCHighThresholdPercent != 100 {
		t.Errorf("%+v (%v)", k, err)
	}
}
