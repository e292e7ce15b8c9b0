package bench

import (
	"bufio"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/test/hosts"
)

const startRuns = 5

// measureStart takes the time from exec of `mainstay up` to its return, which is
// when the node is Ready: with an empty data directory, and with the one that
// the first start left after a `down`. It leaves a stopped engine with data.
// The yardstick is what any engine waits for: containerd, run alone with the same
// configuration, until it answers over CRI. The phases are of starts with data.
func measureStart(b *testing.B, h *hosts.Host) ([]row, []phase) {
	b.Helper()
	var first, again, runtimeFirst, runtimeAgain sample
	var phases []phase
	for run := range startRuns {
		say("start, run %d of %d", run+1, startRuns)
		h.Mainstay(b, "down", "--purge", "--yes")
		took, _ := timeUp(b, h)
		first = append(first, took)
		h.Mainstay(b, "down")
		took, steps := timeUp(b, h)
		again = append(again, took)
		phases = addSteps(phases, steps)
		h.Mainstay(b, "down")

		directory := b.TempDir()
		runtimeFirst = append(runtimeFirst, timeContainerd(b, h, directory))
		runtimeAgain = append(runtimeAgain, timeContainerd(b, h, directory))
	}
	const against = "containerd alone, exec to CRI answer"
	return []row{
		{"first start, exec to node Ready", seconds, first, against + ", first start", runtimeFirst, false, goal{}},
		{"start with data, exec to node Ready", seconds, again, against + ", with data", runtimeAgain, false, goal{limit: 2.0}},
	}, phases
}

// step is something that `mainstay up` said it was doing, and how long, in seconds.
type step struct {
	name string
	took float64
}

// timeUp runs `mainstay up` and returns how long it took, in seconds, and what
// it said meanwhile. A step ends when the next one is printed.
func timeUp(b *testing.B, h *hosts.Host) (float64, []step) {
	b.Helper()
	command := h.Command("up", "--node-name", h.Name)
	output, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	var errors strings.Builder
	command.Stderr = &errors
	begun := time.Now()
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	name, since := "loading the program, checking the machine", begun
	var steps []step
	for lines := bufio.NewScanner(output); lines.Scan(); {
		now := time.Now()
		steps = append(steps, step{name, now.Sub(since).Seconds()})
		_, name, _ = strings.Cut(lines.Text(), "s  ") // "   0.4s  starting …"
		since = now
	}
	if err := command.Wait(); err != nil {
		b.Fatalf("mainstay up: %v: %s", err, errors.String())
	}
	return time.Since(begun).Seconds(), steps
}
