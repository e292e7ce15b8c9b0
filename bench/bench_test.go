package bench

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// hostNumber is the bench's own, so that it does not meet the hosts of tests.
const hostNumber = 20

// BenchmarkMainstay takes all measurements on one host, in the order in which a
// user meets what they measure, and prints the table.
func BenchmarkMainstay(b *testing.B) {
	h := hosts.New(b, hostNumber)
	before := busyShare(b, 3*time.Second)

	starts, phases := measureStart(b, h)
	rows := starts
	h.Up(b)
	rows = append(rows, measureMemory(b, h)...)
	h.ImportBusybox(b)
	rows = append(rows, measurePets(b, h)...)
	rows = append(rows, measureDNS(b, h)...)

	h.Mainstay(b, "down")
	after := busyShare(b, 3*time.Second)

	fmt.Printf("\n%s\nother work took %.0f %% of the processor just before, %.0f %% just after\n\n",
		describeMachine(b), 100*before, 100*after)
	printRows(b, os.Stdout, rows)
	fmt.Printf("\nWhere a start with data spends its time:\n\n")
	printPhases(b, os.Stdout, phases)
	fmt.Println()
	b.ReportMetric(0, "ns/op") // the time of all measurements together means nothing
}

// say tells whoever waits what is being measured.
func say(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "bench: "+format+"\n", arguments...)
}
