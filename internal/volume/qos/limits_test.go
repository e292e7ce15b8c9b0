package qos

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestDivide(t *testing.T) {
	for _, c := range []struct {
		why     string
		maximum int64
		used    []float64
		want    []int64
	}{
		{"no maximum", 0, []float64{5, 5}, []int64{0, 0}},
		{"nobody does anything", 100, []float64{0, 0}, []int64{100, 100}},
		{"one does all; the other may begin", 100, []float64{50, 0}, []int64{100, 100}},
		{"both do the same", 100, []float64{50, 50}, []int64{50, 50}},
		{"by what each does", 100, []float64{75, 25, 0}, []int64{70, 30, 100}},
		{"nobody who does anything stands still", 100, []float64{1000, 1}, []int64{90, 10}},
	} {
		if got := divide(c.maximum, c.used); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, expected %v", c.why, got, c.want)
		}
	}
}

// The limits of the flows that are in use never add up to more than the maximum,
// but for rounding.
func TestDivideNeverMore(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 10_000 {
		used := make([]float64, 1+random.IntN(12))
		for i := range used {
			used[i] = max(random.Float64()-0.3, 0) * 1000
		}
		maximum := 100 + random.Int64N(1_000_000)
		sum := int64(0)
		for i, limit := range divide(maximum, used) {
			if used[i] > 0 {
				sum += limit
			}
		}
		if sum > maximum+int64(len(used)) {
			t.Fatalf("%v of %d add up to %d", used, maximum, sum)
		}
	}
}
