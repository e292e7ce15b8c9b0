package qos

import "time"

// Envelope is what a pool was measured to do through the device of a volume.
// Zero: it was not measured.
type Envelope struct {
	// Operations a second of 4 KiB at random places, written durably, many at once.
	ReadIOPS  int64 `json:"readIops"`
	WriteIOPS int64 `json:"writeIops"`
	// Bytes a second, in requests of 1 MiB. What was never written before takes longer
	// on many disks: then that is what counts.
	ReadThroughput  int64 `json:"readThroughput"`
	WriteThroughput int64 `json:"writeThroughput"`
	// RewriteThroughput is that of writing what was written before. Zero: the same.
	RewriteThroughput int64 `json:"rewriteThroughput,omitempty"`
	// Latency of a single durable write of 4 KiB when nothing else goes on: half
	// of them took less, and 99 of 100.
	WriteLatency    time.Duration `json:"writeLatencyNanoseconds"`
	WriteLatencyP99 time.Duration `json:"writeLatencyP99Nanoseconds"`
	// Measured is when.
	Measured time.Time `json:"measured"`
}

// IOPS are those that the pool does whether they are reads or writes.
func (e Envelope) IOPS() int64 { return min(e.ReadIOPS, e.WriteIOPS) }

// Throughput is what the pool does in either direction, in bytes a second.
func (e Envelope) Throughput() int64 { return min(e.ReadThroughput, e.WriteThroughput) }

// Settled is what the pool does for volumes that were written once. What can be
// promised is less, but this is what there is to share.
func (e Envelope) Settled() Envelope {
	if e.RewriteThroughput > 0 {
		e.WriteThroughput = e.RewriteThroughput
	}
	return e
}

// known: the envelope can be reckoned with.
func (e Envelope) known() bool { return e.IOPS() > 0 && e.Throughput() > 0 }

// Share is the part of the pool's time that a volume takes which does so many
// operations and so many bytes a second: an operation costs time, and so does
// each byte. 1 is all of it.
func (e Envelope) Share(iops, throughput float64) float64 {
	if !e.known() {
		return 0
	}
	return iops/float64(e.IOPS()) + throughput/float64(e.Throughput())
}
