package bench

import (
	"fmt"
	"io"
	"slices"
	"testing"
	"text/tabwriter"
)

// phase is a step of several starts: how long it took in each, in seconds.
type phase struct {
	name string
	took sample
}

// addSteps adds the steps of one start, in the order in which they were first seen.
// A step that is over before `up` looks is missing in that start.
func addSteps(phases []phase, steps []step) []phase {
	for _, s := range steps {
		i := slices.IndexFunc(phases, func(p phase) bool { return p.name == s.name })
		if i < 0 {
			phases, i = append(phases, phase{name: s.name}), len(phases)
		}
		phases[i].took = append(phases[i].took, s.took)
	}
	return phases
}

func printPhases(b *testing.B, out io.Writer, phases []phase) {
	b.Helper()
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	for _, p := range phases {
		fmt.Fprintf(table, "  %s\t%s\n", seconds.show(p.took), p.name)
	}
	if err := table.Flush(); err != nil {
		b.Fatal(err)
	}
}
