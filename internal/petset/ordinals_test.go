package petset

import (
	"slices"
	"testing"
)

func TestOrdinals(t *testing.T) {
	for _, c := range []struct {
		name     string
		start    int
		reserved []string
		want     []int // of the first five pets
	}{
		{"none is reserved", 0, nil, []int{0, 1, 2, 3, 4}},
		{"they begin where they should", 3, nil, []int{3, 4, 5, 6, 7}},
		{"one is left out", 0, []string{"1"}, []int{0, 2, 3, 4, 5}},
		{"a range is left out", 0, []string{"1", "4-6"}, []int{0, 2, 3, 7, 8}},
		{"the first is left out", 0, []string{"0"}, []int{1, 2, 3, 4, 5}},
		{"what lies before the start does no harm", 5, []string{"0-3"}, []int{5, 6, 7, 8, 9}},
		{"a range over the start counts from there", 5, []string{"3-6"}, []int{7, 8, 9, 10, 11}},
		{"ranges may overlap, in any order", 0, []string{"3-5", "2", "4-6"}, []int{0, 1, 7, 8, 9}},
		{"one that is not reached yet does no harm", 0, []string{"90"}, []int{0, 1, 2, 3, 4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ordinals, err := NewOrdinals(c.start, c.reserved)
			if err != nil {
				t.Fatal(err)
			}
			for index, want := range c.want {
				if got := ordinals.At(index); got != want {
					t.Errorf("pet %d has ordinal %d, want %d", index, got, want)
				}
			}
			// Backwards: what At does not give, no pet has.
			for ordinal := range c.want[4] + 1 {
				index, ok := ordinals.Index(ordinal)
				if want := slices.Index(c.want, ordinal); ok != (want >= 0) || ok && index != want {
					t.Errorf("ordinal %d is index %d, %t; want %d", ordinal, index, ok, want)
				}
			}
		})
	}
}

func TestOrdinalsRefuse(t *testing.T) {
	for _, reserved := range []string{"", "x", "-1", "3-", "6-4", "4-6-8", "99999999999"} {
		if _, err := NewOrdinals(0, []string{reserved}); err == nil {
			t.Errorf("%q was taken for an ordinal", reserved)
		}
	}
}
