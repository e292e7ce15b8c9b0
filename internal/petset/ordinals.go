package petset

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Ordinals are those that the pets of a set have: all from Start on, but for the
// reserved ones. A pet's index is its place among them, from 0.
type Ordinals struct {
	Start int
	// reserved are the spans that are left out: ascending, apart from each other.
	reserved []span
}

// span is from first to last, both included.
type span struct{ first, last int }

// NewOrdinals reads the reserved ordinals, each "3" or "4-6".
func NewOrdinals(start int, reserved []string) (Ordinals, error) {
	spans, err := parseSpans(reserved)
	return Ordinals{Start: start, reserved: spans}, err
}

// At returns the ordinal of an index.
func (o Ordinals) At(index int) int {
	ordinal := o.Start + index
	for _, s := range o.reserved {
		if s.last < o.Start {
			continue
		}
		first := max(s.first, o.Start)
		if ordinal < first {
			break
		}
		ordinal += s.last - first + 1
	}
	return ordinal
}

// Index returns the index of an ordinal; false if no pet has that ordinal.
func (o Ordinals) Index(ordinal int) (int, bool) {
	if ordinal < o.Start {
		return 0, false
	}
	index := ordinal - o.Start
	for _, s := range o.reserved {
		if s.first <= ordinal && ordinal <= s.last {
			return 0, false
		}
		if s.last >= o.Start && s.last < ordinal {
			index -= s.last - max(s.first, o.Start) + 1
		}
	}
	return index, true
}

// parseSpans returns the spans in ascending order, those that touch as one.
func parseSpans(texts []string) ([]span, error) {
	var spans []span
	for _, text := range texts {
		first, last, isRange := strings.Cut(text, "-")
		if !isRange {
			last = first
		}
		from, err := parseOrdinal(first)
		if err != nil {
			return nil, err
		}
		to, err := parseOrdinal(last)
		if err != nil {
			return nil, err
		}
		if to < from {
			return nil, fmt.Errorf("the range %q ends before it begins; write %q", text, last+"-"+first)
		}
		spans = append(spans, span{from, to})
	}
	slices.SortFunc(spans, func(a, b span) int { return a.first - b.first })
	merged := spans[:0]
	for _, s := range spans {
		if n := len(merged); n > 0 && s.first <= merged[n-1].last+1 {
			merged[n-1].last = max(merged[n-1].last, s.last)
		} else {
			merged = append(merged, s)
		}
	}
	return merged, nil
}

func parseOrdinal(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > math.MaxInt32 {
		return 0, fmt.Errorf("%q is not an ordinal: write a number, or a range such as 4-6", text)
	}
	return n, nil
}
