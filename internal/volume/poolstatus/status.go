package poolstatus

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

// observed is what is known of a pool on its node.
type observed struct {
	capacity, available int64
	ledger              qos.Ledger
	records             []volume.Record
	performance         map[string]qos.Performance // by volume ID; nil while nobody knows
	noDirectories       error                      // why it can have no volumes that are directories
}

// statusOf tells it in the words of the API.
func statusOf(o observed) v1alpha1.PoolStatus {
	iops, throughput := o.ledger.Left()
	status := v1alpha1.PoolStatus{
		Capacity: bytes(o.capacity), Available: bytes(o.available),
		VolumeCount: int32(len(o.records)),
		Left:        v1alpha1.PoolPromise{IOPS: iops, Throughput: bytes(throughput), Share: qos.Percent(max(qos.Promisable-o.ledger.Owed(), 0))},
		Promised:    v1alpha1.PoolPromise{Share: qos.Percent(o.ledger.Owed())},
	}
	if e := o.ledger.Envelope; !e.Measured.IsZero() {
		status.Envelope = &v1alpha1.PoolEnvelope{
			ReadIOPS: e.ReadIOPS, WriteIOPS: e.WriteIOPS,
			ReadThroughput: exactly(e.ReadThroughput), WriteThroughput: exactly(e.WriteThroughput),
			Measured: metav1.NewTime(e.Measured),
		}
	} else {
		status.Left, status.Promised.Share = v1alpha1.PoolPromise{}, "-"
	}
	promised := int64(0)
	for _, p := range o.ledger.Promised {
		status.Promised.IOPS += p.MinIOPS
		promised += p.MinThroughput
	}
	status.Promised.Throughput = new(exactly(promised))
	for _, r := range o.records {
		status.Volumes = append(status.Volumes, v1alpha1.PoolVolume{
			Name: r.ID, Claim: r.Claim, Size: *resource.NewQuantity(r.Bytes, resource.BinarySI),
			MinIOPS: r.Quality.MinIOPS, MaxIOPS: r.Quality.MaxIOPS,
			MinThroughput: ifAny(r.Quality.MinThroughput), MaxThroughput: ifAny(r.Quality.MaxThroughput),
		})
	}
	slices.SortFunc(status.Volumes, func(a, b v1alpha1.PoolVolume) int { return strings.Compare(a.Name, b.Name) })
	return status
}

// unusableStatus is that of a pool that cannot be used: what was known of it last,
// of which nothing is left for others.
func unusableStatus(last v1alpha1.PoolStatus) v1alpha1.PoolStatus {
	status := *last.DeepCopy()
	status.Available, status.Left = bytes(0), v1alpha1.PoolPromise{}
	return status
}

// ready is the condition that says whether a pool can be used.
func ready(unusable error) metav1.Condition {
	if unusable != nil {
		return metav1.Condition{Type: v1alpha1.PoolReady, Status: metav1.ConditionFalse, Reason: "Unusable", Message: unusable.Error()}
	}
	return metav1.Condition{Type: v1alpha1.PoolReady, Status: metav1.ConditionTrue, Reason: "Usable"}
}

// directories is the condition that says whether a pool can have volumes that are
// directories.
func directories(refused error) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.PoolDirectoryVolumes, Status: metav1.ConditionTrue, Reason: "Possible"}
	if refused != nil {
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, "Impossible", refused.Error()
	}
	return c
}

// bytes are for people: above a mebibyte only whole ones count.
func bytes(n int64) *resource.Quantity {
	return resource.NewQuantity(qos.WholeMebi(n), resource.BinarySI)
}

// exactly is for the scheduler, which reckons with it as the node does.
func exactly(n int64) resource.Quantity { return *resource.NewQuantity(n, resource.BinarySI) }

func ifAny(n int64) *resource.Quantity {
	if n == 0 {
		return nil
	}
	return bytes(n)
}
