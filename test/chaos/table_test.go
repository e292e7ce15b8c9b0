package chaos

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// outcomes are those of one kind of loss.
type outcomes []outcome

// ready tells how long each failover took.
func (all outcomes) ready() (took []time.Duration) {
	for _, o := range all {
		if len(o.took) > 0 {
			took = append(took, o.took[ready])
		}
	}
	return took
}

// results are the outcomes of each kind of loss.
type results map[string]outcomes

// table shows how long it took until the pet was Ready elsewhere, in seconds, and what
// the time went for, in the median.
func (r results) table(kinds []loss) string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "lost\tfailed over\tback before\tmin\tp50\tp90\tp99\tmax\t|")
	for _, s := range steps {
		fmt.Fprintf(table, "\t%s", s)
	}
	fmt.Fprintln(table, "\tanswered\t")
	for _, kind := range kinds {
		all := r[kind.name]
		whole := all.ready()
		if len(all) == 0 {
			continue
		}
		fmt.Fprintf(table, "%s\t%d\t%d", kind.name, len(whole), len(all)-len(whole))
		for _, share := range []float64{0, 0.5, 0.9, 0.99, 1} {
			fmt.Fprintf(table, "\t%s", seconds(whole, share))
		}
		fmt.Fprint(table, "\t|")
		var answered []time.Duration
		parts := map[step][]time.Duration{}
		for _, o := range all {
			if len(o.took) == 0 {
				continue
			}
			answered = append(answered, o.answered)
			for s, at := range o.took {
				parts[s] = append(parts[s], at)
			}
		}
		for _, s := range steps {
			fmt.Fprintf(table, "\t%s", seconds(parts[s], 0.5))
		}
		fmt.Fprintf(table, "\t%s\t\n", seconds(answered, 0.5))
	}
	_ = table.Flush() // to memory
	return text.String()
}

// seconds gives the smallest value that a share of all does not exceed.
func seconds(values []time.Duration, share float64) string {
	if len(values) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", quantile(values, share).Seconds())
}

func quantile(values []time.Duration, share float64) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	for i, value := range sorted {
		if float64(i+1) >= share*float64(len(sorted)) {
			return value
		}
	}
	return sorted[len(sorted)-1]
}

func TestQuantile(t *testing.T) {
	var fifty []time.Duration
	for i := range 50 {
		fifty = append(fifty, time.Duration((i*7)%50+1))
	}
	for _, c := range []struct {
		values []time.Duration
		share  float64
		want   time.Duration
	}{
		{fifty, 0, 1}, {fifty, 0.5, 25}, {fifty, 0.9, 45}, {fifty, 0.99, 50}, {fifty, 1, 50},
		{fifty[:1], 0.5, 1}, {[]time.Duration{2, 4}, 0.5, 2}, {[]time.Duration{2, 4}, 0.51, 4},
	} {
		if got := quantile(c.values, c.share); got != c.want {
			t.Errorf("of %d values %v: %d, not %d", len(c.values), c.share, got, c.want)
		}
	}
}
