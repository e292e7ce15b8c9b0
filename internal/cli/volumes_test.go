package cli

import (
	"bytes"
	"regexp"
	"testing"
	"time"

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
	broken := claim("data-db-1")
	broken.Status.Conditions = []corev1.PersistentVolumeClaimCondition{{Type: v1alpha1.PerformanceBreached, Status: corev1.ConditionTrue}}
	quality := v1alpha1.PoolVolume{MinIOPS: 250, MinThroughput: &throughput, MaxIOPS: 9000}
	good, bad := quality, quality
	good.Achieved = &v1alpha1.PoolAchieved{IOPS: 1200, Throughput: throughput, P99: &metav1.Duration{Duration: 1700 * time.Microsecond}}
	bad.Achieved = &v1alpha1.PoolAchieved{}
	volumes := []claimVolume{
		{claim: claim("data-db-0"), pods: []string{"db-0"}, node: "a", usage: stats(420, 5), pool: &good},
		{claim: broken, pods: []string{"db-1"}, node: "a", usage: stats(420, 5), pool: &bad},
		{claim: claim("spool"), pods: []string{"mail-0", "mail-1"}, node: "a", usage: stats(10, 99)},
		{claim: claim("idle")},
	}
	for wide, want := range map[bool]string{
		false: `^NAMESPACE +CLAIM +STATE +SIZE +USED +PROMISED +ACHIEVED +P99 +USED BY
shop +data-db-0 +Bound +1Gi +████······ +42 % +250 IOPS, 10Mi/s +1200 IOPS, 10Mi/s +1.7ms +db-0
shop +data-db-1 +Bound +1Gi +████······ +42 % +250 IOPS, 10Mi/s +idle \(less than promised\) +- +db-1
shop +spool +Bound +1Gi +██████████ +99 % of inodes +- +- +- +mail-0,mail-1
shop +idle +Bound +1Gi +·········· +- +- +- +- +-
$`,
		true: `^NAMESPACE .* USED BY +AT MOST +NODE
.* db-0 +9000 IOPS +a
.* db-1 +9000 IOPS +a
.* mail-0,mail-1 +- +a
.* - +- +-
$`,
	} {
		var out bytes.Buffer
		if err := printVolumes(&out, volumes, wide); err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("wide: %v\n%s", wide, out.String())
		}
	}

	var out bytes.Buffer
	volumes[0].poolName, volumes[1].poolName = "default", "fast"
	if err := printVolumes(&out, volumes, true); err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`NODE +POOL\n.* a +default\n.* a +fast\n.* a +-\n.* - +-\n$`).MatchString(out.String()) {
		t.Errorf("from several pools:\n%s", out.String())
	}
}
