package provisioner

import (
	"context"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/qos"
	"github.com/mainstay-io/mainstay/internal/volume/volumetest"
)

func (c cluster) attributes(t *testing.T, name string, parameters map[string]string) {
	t.Helper()
	_, err := c.StorageV1().VolumeAttributesClasses().Create(context.Background(), &storage.VolumeAttributesClass{
		ObjectMeta: meta.ObjectMeta{Name: name}, DriverName: volume.DriverName, Parameters: parameters,
	}, meta.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// A volume is made with what the claim's class says, and changed while it is in
// use when the claim names another; what cannot be is told in the claim, and
// changes nothing.
func TestVolumeAttributes(t *testing.T) {
	ctx := context.Background()
	c := startCluster(t, storage.VolumeBindingWaitForFirstConsumer)
	claims := c.CoreV1().PersistentVolumeClaims("default")
	c.attributes(t, "slow", map[string]string{"maxIops": "100"})
	c.attributes(t, "faster", map[string]string{"maxThroughput": "1Mi"})
	c.attributes(t, "guaranteed", map[string]string{"minIops": "50"})

	claim := c.claim(t, "data", "8Mi", "")
	names := func(class string) {
		t.Helper()
		claim.Spec.VolumeAttributesClassName = &class
		claim.Annotations[selectedNode] = thisNode
		updated, err := claims.Update(ctx, claim, meta.UpdateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		claim = updated
	}
	names("slow")
	volumetest.Eventually(t, "the claim has a volume", func() bool { return c.volumeOf(claim) != nil })
	if got := c.records(t)[0].Quality; got != (qos.Parameters{MaxIOPS: 100}) || *c.volumeOf(claim).Spec.VolumeAttributesClassName != "slow" {
		t.Errorf("made with %+v", got)
	}
	slow := "slow"
	claim.Spec.VolumeName, claim.Status.Phase, claim.Status.CurrentVolumeAttributesClassName = c.volumeOf(claim).Name, core.ClaimBound, &slow

	status := func() core.PersistentVolumeClaimStatus {
		got, err := claims.Get(ctx, claim.Name, meta.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		// This API has no conflicts: a status that is written at the same time takes
		// the spec back to what it was.
		if wanted := *claim.Spec.VolumeAttributesClassName; *got.Spec.VolumeAttributesClassName != wanted {
			claim = got
			names(wanted)
			return claim.Status
		}
		claim = got
		return got.Status
	}
	says := func(words string) func() bool {
		return func() bool {
			conditions := status().Conditions
			return len(conditions) == 1 && strings.Contains(conditions[0].Message, words)
		}
	}
	has := func(class string) func() bool {
		return func() bool {
			s := status()
			return s.ModifyVolumeStatus == nil && *s.CurrentVolumeAttributesClassName == class
		}
	}
	names("faster")
	volumetest.Eventually(t, "the volume has the other class", has("faster"))
	if got := c.records(t)[0].Quality; got != (qos.Parameters{MaxIOPS: 100, MaxThroughput: 1 << 20}) || *c.volumeOf(claim).Spec.VolumeAttributesClassName != "faster" {
		t.Errorf("changed to %+v", got)
	}
	names("missing")
	volumetest.Eventually(t, "the claim says that there is no such class", says("no VolumeAttributesClass missing"))
	c.attributes(t, "missing", map[string]string{"maxIops": "1"})
	volumetest.Eventually(t, "the claim says what is wrong with the class", says("maxIops 1"))
	names("guaranteed")
	volumetest.Eventually(t, "the claim says that the pool was never measured", says("never measured"))
	if got := c.records(t)[0].Quality; got != (qos.Parameters{MaxIOPS: 100, MaxThroughput: 1 << 20}) {
		t.Errorf("after what cannot be it has %+v", got)
	}
	names("slow")
	volumetest.Eventually(t, "the volume has its first class again", has("slow"))
}
