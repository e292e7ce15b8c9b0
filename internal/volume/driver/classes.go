package driver

import (
	storage "k8s.io/api/storage/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// AttributesClasses are those that ship: a claim names one, and may name another
// at any time.
func AttributesClasses() []*storage.VolumeAttributesClass {
	class := func(name string, parameters map[string]string) *storage.VolumeAttributesClass {
		return &storage.VolumeAttributesClass{
			TypeMeta:   meta.TypeMeta{APIVersion: "storage.k8s.io/v1", Kind: "VolumeAttributesClass"},
			ObjectMeta: meta.ObjectMeta{Name: name},
			DriverName: volume.DriverName, Parameters: parameters,
		}
	}
	return []*storage.VolumeAttributesClass{
		class("guaranteed-high", map[string]string{"minIops": "1000", "minThroughput": "40Mi", "maxIops": "0", "maxThroughput": "0"}),
		class("guaranteed-medium", map[string]string{"minIops": "250", "minThroughput": "10Mi", "maxIops": "0", "maxThroughput": "0"}),
		class("best-effort", map[string]string{"minIops": "0", "minThroughput": "0", "maxIops": "0", "maxThroughput": "0"}),
	}
}
