package qos

import "math"

// Flow is one of the streams in which a volume's requests reach its device, and
// which the kernel can hold back, each by itself: it knows no limit for several
// together. Reads and writes are two; with cgroup v1 each container that has the
// volume, and the kernel itself, have two of their own.
type Flow struct {
	// IOPS and Throughput, in bytes a second, since the last look.
	IOPS, Throughput float64
}

// Limit is what a flow is held to. Zero: nothing.
type Limit struct {
	IOPS, Throughput int64
}

// leastPart of a maximum that every flow may use which is in use at all.
const leastPart = 0.1

// divide shares a maximum among flows, so that what they do together stays below
// it. One that did nothing may do all of it: what that lets through too much is
// paid back (see Debt). The others get their part of what was done, and no less
// than a tenth: then the one that is held up by its part fills it while others
// do not, and the parts follow what the applications do.
func divide(maximum int64, used []float64) []int64 {
	limits := make([]int64, len(used))
	sum, active := 0.0, 0
	for _, u := range used {
		if u > 0 {
			sum += u
			active++
		}
	}
	least := min(leastPart, 1/float64(max(active, 1)))
	spare := 1 - least*float64(active)
	for i, u := range used {
		limits[i] = maximum
		if maximum > 0 && active > 1 && u > 0 {
			limits[i] = max(int64(math.Round((least+spare*u/sum)*float64(maximum))), 1)
		}
	}
	return limits
}

// tighter returns the lower of two limits, of which zero is none.
func tighter(a, b int64) int64 {
	switch {
	case a == 0:
		return b
	case b == 0:
		return a
	}
	return min(a, b)
}
