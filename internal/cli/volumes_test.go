package cli

import (
	"bytes"
	"regexp"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	statsv1alpha1 "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
	"k8s.io/utils/ptr"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

func TestPrintVolumes(t *testing.T) {
	claim := func(name string) *corev1.PersistentVolumeClaim {
		return &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
			Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound, Capacity: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}}}
	}
	stats := func(used, inodes uint64) *statsv1alpha1.VolumeStats {
		return &statsv1alpha1.VolumeStats{FsStats: statsv1alpha1.FsStats{CapacityBytes: ptr.To[uint64](1000), UsedBytes: &used, Inodes: ptr.To[uint64](100), InodesUsed: &inodes}}
	}
	throughput := resource.MustParse("10Mi")
	var out bytes.Buffer
	volumes := []claimVolume{
		{claim: claim("data-db-0"), pods: []string{"db-0"}, node: "a", usage: stats(420, 5),
			pool: &v1alpha1.PoolVolume{MinIOPS: 250, MinThroughput: &throughput, MaxIOPS: 9000}},
		{claim: claim("spool"), pods: []string{"mail-0", "mail-1"}, node: "a", usage: stats(10, 99)},
		{claim: claim("idle")},
	}
	if err := printVolumes(&out, volumes); err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`^NAMESPACE +CLAIM +STATE +SIZE +USED +PROMISED +AT MOST +USED BY +NODE
shop +data-db-0 +Bound +1Gi +████······ +42 % +250 IOPS, 10Mi/s +9000 IOPS +db-0 +a
shop +spool +Bound +1Gi +██████████ +99 % of inodes +- +- +mail-0,mail-1 +a
shop +idle +Bound +1Gi +·········· +- +- +- +- +-
$`)
	if !want.MatchString(out.String()) {
		t.Errorf("\n%s", out.String())
	}

	out.Reset()
	volumes[0].poolName, volumes[1].poolName = "default", "fast"
	if err := printVolumes(&out, volumes); err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`NODE +POOL\n.* a +default\n.* a +fast\n.* - +-\n$`).MatchString(out.String()) {
		t.Errorf("from several pools:\n%s", out.String())
	}
}
