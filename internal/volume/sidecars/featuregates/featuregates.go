// Package featuregates lets the CSI sidecars' packages and Kubernetes be in one
// program. Import it for that alone.
//
// Both declare some feature gates, each in its init. The sidecars ignore an error
// of that. Kubernetes does not, and would end the program, since its history of a
// gate is longer. So Kubernetes' declaration of a gate that a sidecar has made is
// left out, after a look that both mean the same.
//
// This relies on the order in which Go initialises packages: of those whose imports
// are ready, the one whose import path sorts first. So the sidecars' packages of
// feature gates come before k8s.io/..., and this one comes right after them: it must
// import nothing that they do not. Were it otherwise, no program with both would
// start; this package's test is one.
package featuregates

import (
	"fmt"
	"maps"

	attacher "github.com/kubernetes-csi/external-attacher/v4/pkg/features"
	provisioner "github.com/kubernetes-csi/external-provisioner/v6/pkg/features"
	resizer "github.com/kubernetes-csi/external-resizer/v2/pkg/features"
	"k8s.io/apiserver/pkg/util/feature"
	"k8s.io/component-base/featuregate"
)

var shared = []featuregate.Feature{
	provisioner.VolumeAttributesClass, provisioner.CrossNamespaceVolumeDataSource,
	resizer.VolumeAttributesClass, attacher.MutableCSINodeAllocatableCount,
}

func init() { feature.DefaultMutableFeatureGate = Lenient{feature.DefaultMutableFeatureGate} }

// Lenient is the gates of the process until Kubernetes has declared its own.
type Lenient struct {
	featuregate.MutableVersionedFeatureGate
}

// AddVersioned declares what is not declared yet. Once it has met the shared gates
// it gives way to the real ones.
func (l Lenient) AddVersioned(features map[featuregate.Feature]featuregate.VersionedSpecs) error {
	known, added := l.GetAllVersioned(), maps.Clone(features)
	for _, name := range shared {
		theirs, declared := features[name]
		if !declared {
			continue
		}
		if ours := known[name]; !alike(ours, theirs) {
			return fmt.Errorf("the CSI sidecars and Kubernetes disagree about the feature gate %s: %v, %v", name, ours, theirs)
		}
		delete(added, name)
		feature.DefaultMutableFeatureGate = l.MutableVersionedFeatureGate
	}
	return l.MutableVersionedFeatureGate.AddVersioned(added)
}

// alike says whether a gate means the same today by both declarations.
func alike(a, b featuregate.VersionedSpecs) bool {
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	ours, theirs := a[len(a)-1], b[len(b)-1]
	return ours.Default == theirs.Default && ours.PreRelease == theirs.PreRelease
}
