package metrics

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

// one gives the metrics of one volume.
type one struct {
	Collector
	p qos.Performance
}

func (o one) Collect(to chan<- prometheus.Metric) {
	collect(to, o.p, "shop", "data-db-0", "node-a", "node-a", "v1")
}

func TestCollect(t *testing.T) {
	p := qos.Performance{
		Promised: qos.Parameters{MinIOPS: 1000, MinThroughput: 4096}, Achieved: qos.Flow{IOPS: 250.5, Throughput: 1e6},
		Breached: true, Lacked: 12500 * time.Millisecond,
		Latencies: qos.Histogram{Count: 6, Seconds: 20},
	}
	p.Latencies.Buckets[0], p.Latencies.Buckets[2] = 2, 3 // and one above all
	const labels = `namespace="shop",node="node-a",persistentvolumeclaim="data-db-0",pool="node-a",volume="v1"`
	want := strings.ReplaceAll(`
# HELP mainstay_volume_achieved_bytes_per_second Bytes a second that the volume did over the last 10 seconds.
# TYPE mainstay_volume_achieved_bytes_per_second gauge
mainstay_volume_achieved_bytes_per_second{LABELS} 1e+06
# HELP mainstay_volume_achieved_iops Operations a second that the volume did over the last 10 seconds.
# TYPE mainstay_volume_achieved_iops gauge
mainstay_volume_achieved_iops{LABELS} 250.5
# HELP mainstay_volume_breach_seconds_total Seconds in which the volume asked for what it was promised and did not get it, since it was attached.
# TYPE mainstay_volume_breach_seconds_total counter
mainstay_volume_breach_seconds_total{LABELS} 12.5
# HELP mainstay_volume_breached 1 while the volume asks for what it was promised and does not get it, else 0.
# TYPE mainstay_volume_breached gauge
mainstay_volume_breached{LABELS} 1
# HELP mainstay_volume_promised_bytes_per_second Bytes a second that the volume was promised; 0: none.
# TYPE mainstay_volume_promised_bytes_per_second gauge
mainstay_volume_promised_bytes_per_second{LABELS} 4096
# HELP mainstay_volume_promised_iops Operations a second that the volume was promised; 0: none.
# TYPE mainstay_volume_promised_iops gauge
mainstay_volume_promised_iops{LABELS} 1000
# HELP mainstay_volume_request_duration_seconds What requests took, since the volume was attached. The kernel tells sums: requests that ended in the same tenth of a second count as equally long.
# TYPE mainstay_volume_request_duration_seconds histogram
mainstay_volume_request_duration_seconds_bucket{LABELS,le="0.0001"} 2
mainstay_volume_request_duration_seconds_bucket{LABELS,le="0.00025"} 2
mainstay_volume_request_duration_seconds_bucket{LABELS,le="0.0005"} 5
mainstay_volume_request_duration_seconds_bucket{LABELS,le="0.001"} 5
mainstay_volume_request_duration_seconds_bucket{LABELS,le="0.0025"} 5
mainstay_volume_request_duration_seconds_bucket{LABELS,le="0.005"} 5
mainstay_volume_request_duration_seconds_bucket{LABELS,le="0.01"} 5
mainstay_volume_request_duration_seconds_bucket{LABELS,le="0.025"} 5
mainstay_volume_request_duration_seconds_bucket{LABELS,le="0.05"} 5
mainstay_volume_request_duration_seconds_bucket{LABELS,le="0.1"} 5
mainstay_volume_request_duration_seconds_bucket{LABELS,le="0.25"} 5
mainstay_volume_request_duration_seconds_bucket{LABELS,le="0.5"} 5
mainstay_volume_request_duration_seconds_bucket{LABELS,le="1"} 5
mainstay_volume_request_duration_seconds_bucket{LABELS,le="2.5"} 5
mainstay_volume_request_duration_seconds_bucket{LABELS,le="10"} 5
mainstay_volume_request_duration_seconds_bucket{LABELS,le="+Inf"} 6
mainstay_volume_request_duration_seconds_sum{LABELS} 20
mainstay_volume_request_duration_seconds_count{LABELS} 6
`, "LABELS", labels)
	if err := testutil.CollectAndCompare(one{p: p}, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.CollectAndLint(one{p: p}); err != nil || len(problems) > 0 {
		t.Errorf("%v (%v)", problems, err)
	}
}
