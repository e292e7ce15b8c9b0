// The tests are in a package of their own: a package is initialised after what it
// imports, tests included.
package featuregates_test

import (
	"testing"

	provisioner "github.com/kubernetes-csi/external-provisioner/v6/pkg/features"
	resizer "github.com/kubernetes-csi/external-resizer/v2/pkg/features"
	"k8s.io/apiserver/pkg/util/feature"
	"k8s.io/component-base/featuregate"
	"k8s.io/kubernetes/pkg/features"

	"github.com/mainstay-io/mainstay/internal/volume/sidecars/featuregates"
)

// That this program starts, with both in it, is the first half of the test.
func TestBesideKubernetes(t *testing.T) {
	for name, enabled := range map[featuregate.Feature]bool{
		// Of both, of the sidecars alone, of Kubernetes alone.
		features.VolumeAttributesClass:          true,
		features.CrossNamespaceVolumeDataSource: false,
		features.MutableCSINodeAllocatableCount: true,
		provisioner.Topology:                    true,
		resizer.AnnotateFsResize:                true,
		features.NodeSwap:                       true,
	} {
		if got := feature.DefaultFeatureGate.Enabled(name); got != enabled {
			t.Errorf("%s is %v", name, got)
		}
	}
	if _, still := feature.DefaultMutableFeatureGate.(featuregates.Lenient); still {
		t.Error("Kubernetes has declared its gates, and conflicts are still overlooked")
	}
}

// What the two disagree about is an error, not a guess.
func TestDisagreement(t *testing.T) {
	was := feature.DefaultMutableFeatureGate
	defer func() { feature.DefaultMutableFeatureGate = was }()
	for _, c := range []struct {
		kubernetes featuregate.FeatureSpec
		fine       bool
	}{
		{featuregate.FeatureSpec{Default: true, PreRelease: featuregate.GA, LockToDefault: true}, true},
		{featuregate.FeatureSpec{Default: false, PreRelease: featuregate.GA}, false},
		{featuregate.FeatureSpec{Default: true, PreRelease: featuregate.Beta}, false},
	} {
		gates := featuregate.NewFeatureGate()
		name := features.VolumeAttributesClass
		if err := gates.Add(map[featuregate.Feature]featuregate.FeatureSpec{name: {Default: true, PreRelease: featuregate.GA}}); err != nil {
			t.Fatal(err)
		}
		err := featuregates.Lenient{MutableVersionedFeatureGate: gates}.AddVersioned(map[featuregate.Feature]featuregate.VersionedSpecs{name: {c.kubernetes}})
		if (err == nil) != c.fine {
			t.Errorf("%+v: %v", c.kubernetes, err)
		}
	}
}
