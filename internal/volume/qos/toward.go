package qos

import (
	"math"
	"time"
)

// slice is the time over which the kernel accounts for a limit (throtl_slice in its
// block/blk-throttle.c), and grain how exactly it tells the time, at worst.
const slice, grain = 100 * time.Millisecond, 10 * time.Millisecond

// Toward gives the limit to write now, to get from this one, which was written so
// long ago, to the one that is wanted. Up is one step, down may be several; the one
// that is in force may have to be written once more.
//
// At the beginning of a slice the kernel lets through what is allowed in all of it.
// Writing a limit begins a slice, and carries over what was let through too early
// in the one before. When that is more than the new slice allows, Linux 6.1 takes
// it for a huge credit, since it adds a negative number to one that has no sign: measured
// with cgroup v2, ten times the limit for as long as limits were written a dozen times a
// second. Linux 6.6 compares rightly, and needs none of this. So a limit falls no further
// than its first slice makes up for; and later, when nobody knows where in which slice the
// kernel is, not at all.
func (l Limit) Toward(wanted Limit, written time.Duration) Limit {
	return Limit{
		IOPS:       toward(l.IOPS, wanted.IOPS, written),
		Throughput: toward(l.Throughput, wanted.Throughput, written),
	}
}

func toward(current, wanted int64, written time.Duration) int64 {
	if current == 0 || wanted == 0 || wanted > current {
		return wanted // zero is no limit
	}
	left := min(slice-written+grain, slice)
	if written >= slice {
		left = slice
	}
	return max(wanted, int64(math.Ceil(float64(current)*left.Seconds()/slice.Seconds())))
}
