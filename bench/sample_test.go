package bench

import (
	"math"
	"slices"
	"testing"
)

// sample is what was measured, all in one unit. It has at least one value.
type sample []float64

func (s sample) min() float64    { return slices.Min(s) }
func (s sample) max() float64    { return slices.Max(s) }
func (s sample) median() float64 { return (s.quantile(0.5) + s.upperMedian()) / 2 }

// quantile is the smallest value that at least the share q of the sample does
// not exceed (nearest rank). Of fewer than 100 values, the 0.99 is the largest.
func (s sample) quantile(q float64) float64 {
	sorted := slices.Sorted(slices.Values(s))
	return sorted[max(0, int(math.Ceil(q*float64(len(s))))-1)]
}

func (s sample) upperMedian() float64 {
	return slices.Sorted(slices.Values(s))[len(s)/2]
}

func TestSample(t *testing.T) {
	for _, test := range []struct {
		values      sample
		median, p99 float64
	}{
		{sample{3}, 3, 3},
		{sample{4, 1}, 2.5, 4},
		{sample{9, 1, 2}, 2, 9},
		{sample{1, 2, 3, 100}, 2.5, 100},
	} {
		if got := test.values.median(); got != test.median {
			t.Errorf("median of %v is %v, not %v", test.values, got, test.median)
		}
		if got := test.values.quantile(0.99); got != test.p99 {
			t.Errorf("p99 of %v is %v, not %v", test.values, got, test.p99)
		}
	}
}
