package scheduling

import (
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

func TestWaits(t *testing.T) {
	late, atOnce := storage.VolumeBindingWaitForFirstConsumer, storage.VolumeBindingImmediate
	unbound, bound := &core.PersistentVolumeClaim{}, &core.PersistentVolumeClaim{Spec: core.PersistentVolumeClaimSpec{VolumeName: "pvc-1"}}
	for _, c := range []struct {
		why   string
		claim *core.PersistentVolumeClaim
		class storage.StorageClass
		waits bool
	}{
		{"ours, and no volume yet", unbound, storage.StorageClass{Provisioner: volume.DriverName, VolumeBindingMode: &late}, true},
		{"it has a volume, and is where that is", bound, storage.StorageClass{Provisioner: volume.DriverName, VolumeBindingMode: &late}, false},
		{"it does not wait for a pod", unbound, storage.StorageClass{Provisioner: volume.DriverName, VolumeBindingMode: &atOnce}, false},
		{"nor does one whose class does not say", unbound, storage.StorageClass{Provisioner: volume.DriverName}, false},
		{"another driver's", unbound, storage.StorageClass{Provisioner: "example.com/other", VolumeBindingMode: &late}, false},
	} {
		if got := waits(c.claim, &c.class); got != c.waits {
			t.Errorf("%s: %v", c.why, got)
		}
	}
}

func TestAskOf(t *testing.T) {
	claim := &core.PersistentVolumeClaim{ObjectMeta: meta.ObjectMeta{Namespace: "shop", Name: "data", UID: "1"}}
	class := func(parameters map[string]string) *storage.StorageClass {
		return &storage.StorageClass{ObjectMeta: meta.ObjectMeta{Name: "class"}, Parameters: parameters}
	}
	attributes := func(driver string, parameters map[string]string) *storage.VolumeAttributesClass {
		return &storage.VolumeAttributesClass{ObjectMeta: meta.ObjectMeta{Name: "fast"}, DriverName: driver, Parameters: parameters}
	}
	for _, c := range []struct {
		why        string
		class      *storage.StorageClass
		attributes *storage.VolumeAttributesClass
		pool       string
		quality    qos.Parameters
		fails      string
	}{
		{"nothing is asked for", class(nil), nil, "default", qos.Parameters{}, ""},
		{"the class names a pool, and what is the driver's to judge", class(map[string]string{"pool": "nvme", "csi.storage.k8s.io/fstype": "xfs", "minIops": "300"}), nil,
			"nvme", qos.Parameters{MinIOPS: 300}, ""},
		{"the attributes class has the last word", class(map[string]string{"minIops": "300", "minThroughput": "1Mi"}),
			attributes(volume.DriverName, map[string]string{"minIops": "20", "maxIops": "40"}),
			"default", qos.Parameters{MinIOPS: 20, MaxIOPS: 40, MinThroughput: 1 << 20}, ""},
		{"a directory", class(map[string]string{"backend": "directory"}), nil, "default", qos.Parameters{}, ""},
		{"a backend that is the driver's to refuse", class(map[string]string{"backend": "tape"}), nil, "default", qos.Parameters{}, ""},
		{"a class that says nonsense", class(map[string]string{"minIops": "many"}), nil, "", qos.Parameters{}, "claim data, StorageClass class:"},
		{"an attributes class that does", class(nil), attributes(volume.DriverName, map[string]string{"minIops": "9", "maxIops": "8"}),
			"", qos.Parameters{}, "claim data, VolumeAttributesClass fast:"},
		{"another driver's attributes class", class(nil), attributes("example.com", nil), "", qos.Parameters{}, "is for the driver example.com"},
	} {
		a, err := askOf(claim, c.class, c.attributes)
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: %v, expected %q", c.why, err, c.fails)
			}
			continue
		}
		if directory := c.class.Parameters["backend"] == "directory"; a.directory != directory || a.anything() != (directory || c.quality.MinIOPS > 0) {
			t.Errorf("%s: %+v", c.why, a)
		}
		if err != nil || a.pool != c.pool || a.quality != c.quality || a.volume != "pvc-1" || a.claim.Namespace != "shop" {
			t.Errorf("%s: %+v, %v", c.why, a, err)
		}
	}
}
