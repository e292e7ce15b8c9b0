package bench

import (
	"math"
	"testing"
)

// beside is what a database did, in requests a second, while its neighbour was limited
// to a part of what it does alone.
type beside struct{ part, requests float64 }

// greatestPart is that at which the database still does its minimum, between the points
// that were measured, by rising part. The first is the database alone.
func greatestPart(points []beside, minimum float64) float64 {
	for i, p := range points {
		switch {
		case p.requests >= minimum:
		case i == 0:
			return 0
		default:
			before := points[i-1]
			return before.part + (p.part-before.part)*(before.requests-minimum)/(before.requests-p.requests)
		}
	}
	return 1
}

func TestGreatestPart(t *testing.T) {
	for _, c := range []struct {
		why    string
		points []beside
		want   float64
	}{
		{"not even alone", []beside{{0, 70}, {0.1, 60}}, 0},
		{"between two", []beside{{0, 100}, {0.1, 90}, {0.2, 70}}, 0.15},
		{"at one", []beside{{0, 100}, {0.1, 80}, {0.2, 70}}, 0.1},
		{"before the first", []beside{{0, 100}, {0.1, 60}}, 0.05},
		{"it disturbs nobody", []beside{{0, 100}, {0.1, 99}, {0.8, 98}}, 1},
	} {
		if got := greatestPart(c.points, 80); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %.3f, expected %.3f", c.why, got, c.want)
		}
	}
}
