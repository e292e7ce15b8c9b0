// Package metrics tells Prometheus of the performance of a node's volumes: what
// each was promised, what it does, how long its requests take, and for how long
// it did not get what it was promised.
package metrics

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

// Collector gives the metrics of all attached volumes of a node's pools.
type Collector struct {
	NodeName string
	Pools    *volume.Pools
}

var _ prometheus.Collector = Collector{}

var (
	promisedIOPS = describe("promised_iops", "Operations a second that the volume was promised; 0: none.")
	promisedRate = describe("promised_bytes_per_second", "Bytes a second that the volume was promised; 0: none.")
	achievedIOPS = describe("achieved_iops", "Operations a second that the volume did over the last 10 seconds.")
	achievedRate = describe("achieved_bytes_per_second", "Bytes a second that the volume did over the last 10 seconds.")
	breached     = describe("breached", "1 while the volume asks for what it was promised and does not get it, else 0.")
	lacked       = describe("breach_seconds_total", "Seconds in which the volume asked for what it was promised and did not get it, since it was attached.")
	latency      = describe("request_duration_seconds",
		"What requests took, since the volume was attached. The kernel tells sums: requests that ended in the same tenth of a second count as equally long.")
)

func describe(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("mainstay_volume_"+name, help, []string{"namespace", "persistentvolumeclaim", "pool", "node", "volume"}, nil)
}

// Describe is of the interface prometheus.Collector.
func (Collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{promisedIOPS, promisedRate, achievedIOPS, achievedRate, breached, lacked, latency} {
		to <- d
	}
}

// Collect is of the interface prometheus.Collector.
func (c Collector) Collect(to chan<- prometheus.Metric) {
	for _, pool := range c.Pools.All() {
		for id, performance := range pool.Performance() {
			r, err := pool.Get(id)
			if err != nil {
				continue // deleted meanwhile
			}
			namespace, claim, _ := strings.Cut(r.Claim, "/")
			collect(to, performance, namespace, claim, pool.Name(), c.NodeName, id)
		}
	}
}

// collect gives those of one volume. The labels are in the order of describe.
func collect(to chan<- prometheus.Metric, p qos.Performance, labels ...string) {
	gauge := func(d *prometheus.Desc, value float64) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	gauge(promisedIOPS, float64(p.Promised.MinIOPS))
	gauge(promisedRate, float64(p.Promised.MinThroughput))
	gauge(achievedIOPS, p.Achieved.IOPS)
	gauge(achievedRate, p.Achieved.Throughput)
	if p.Breached {
		gauge(breached, 1)
	} else {
		gauge(breached, 0)
	}
	to <- prometheus.MustNewConstMetric(lacked, prometheus.CounterValue, p.Lacked.Seconds(), labels...)
	upTo, buckets := uint64(0), map[float64]uint64{}
	for i, bound := range qos.LatencyBounds {
		upTo += p.Latencies.Buckets[i]
		buckets[bound] = upTo
	}
	to <- prometheus.MustNewConstHistogram(latency, p.Latencies.Count, p.Latencies.Seconds, buckets, labels...)
}
