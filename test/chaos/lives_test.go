package chaos

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// life is a process of the pet, on a node; of the time, which is CLOCK_BOOTTIME, it is
// known when it ran for sure.
type life struct {
	node  string
	begun time.Duration // tells one process of a node from the next
	// first and last are its first and its last beat, and stood the longest time between
	// two beats, in which it may have stood still.
	first, last, stood time.Duration
	// beats are all of them, in order.
	beats []time.Duration
}

// readLives gives the lives in the order in which they began.
func readLives(file string) ([]life, error) {
	opened, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	var found []life
	for lines := bufio.NewScanner(opened); lines.Scan(); {
		var at, begun time.Duration
		var node string
		if _, err := fmt.Sscan(lines.Text(), &at, &node, &begun); err != nil {
			return nil, fmt.Errorf("%q is no beat: %w", lines.Text(), err)
		}
		i := slices.IndexFunc(found, func(l life) bool { return l.node == node && l.begun == begun })
		if i < 0 {
			i = len(found)
			found = append(found, life{node: node, begun: begun, first: at, last: at})
		}
		l := &found[i]
		l.stood, l.last, l.beats = max(l.stood, at-l.last), at, append(l.beats, at)
	}
	slices.SortFunc(found, func(a, b life) int { return cmp.Compare(a.first, b.first) })
	return found, nil
}

// overlap is what a life still did when a later one had begun.
type overlap struct{ earlier, later life }

// overlaps finds the lives that were not over when the next one began. None is as it must be.
func overlaps(lives []life) (found []overlap) {
	for i, later := range lives {
		for _, earlier := range lives[:i] {
			if earlier.last >= later.first {
				found = append(found, overlap{earlier, later})
			}
		}
	}
	return found
}

// from and to: the earlier life ran within these, while the later one had begun.
func (o overlap) span() (from, to time.Duration) {
	i, _ := slices.BinarySearch(o.earlier.beats, o.later.first)
	return o.earlier.beats[i], o.earlier.last
}

func (o overlap) String() string {
	from, to := o.span()
	return fmt.Sprintf("the pet of %s ran from %s to %s, while the one of %s ran since %s", o.earlier.node, from, to, o.later.node, o.later.first)
}

func TestOverlaps(t *testing.T) {
	for _, c := range []struct {
		name, beats string
		want        []string
	}{
		{"one after the other", "10 a 1\n20 a 1\n30 b 2\n40 b 2\n50 a 3\n", nil},
		{"two nodes at once", "10 a 1\n20 b 2\n30 a 1\n40 b 2\n", []string{"the pet of a ran from 30ns to 30ns, while the one of b ran since 20ns"}},
		{"two processes of one node", "10 a 1\n20 a 2\n30 a 1\n", []string{"the pet of a ran from 30ns to 30ns, while the one of a ran since 20ns"}},
		{"one that was paused wakes", "10 a 1\n20 b 2\n80 a 1\n90 a 1\n", []string{"the pet of a ran from 80ns to 90ns, while the one of b ran since 20ns"}},
	} {
		file := filepath.Join(t.TempDir(), "beats")
		if err := os.WriteFile(file, []byte(c.beats), 0o600); err != nil {
			t.Fatal(err)
		}
		lives, err := readLives(file)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, o := range overlaps(lives) {
			got = append(got, o.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}
