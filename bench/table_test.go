package bench

import (
	"fmt"
	"io"
	"testing"
	"text/tabwriter"
)

// row is one line of the table. Values and yardstick have the same unit.
type row struct {
	measure   string
	unit      unit
	values    sample
	against   string // what the yardstick is
	yardstick sample
	alike     bool // both do the same kind of thing, so that their ratio means something
	goal      goal // none where there is none
}

// unit says how to print a value.
type unit string

const (
	seconds      unit = "%.2f s"
	milliseconds unit = "%.1f ms"
	megabytes    unit = "%.0f MB" // of 1,000,000 bytes
	perSecond    unit = "%.0f/s"
	mebibytes    unit = "%.0f MiB/s"
)

func (u unit) text(value float64) string { return fmt.Sprintf(string(u), value) }

// show prints the median and, of more than one value, the range.
func (u unit) show(s sample) string {
	if len(s) == 1 {
		return u.text(s[0])
	}
	return fmt.Sprintf("%s (%s to %s, n=%d)", u.text(s.median()), u.text(s.min()), u.text(s.max()), len(s))
}

func (r row) ratio() float64 { return r.values.median() / r.yardstick.median() }

// goal is what the median, or its ratio to the yardstick's, shall not exceed, or
// shall reach at least.
type goal struct {
	limit   float64
	ratio   bool
	atLeast bool
}

func (g goal) judge(r row) string {
	if g == (goal{}) {
		return "-"
	}
	value, limit := r.values.median(), r.unit.text(g.limit)
	if g.ratio {
		value, limit = r.ratio(), ratioText(g.limit)
	}
	sign, met := "<= ", value <= g.limit
	if g.atLeast {
		sign, met = ">= ", value >= g.limit
	}
	if met {
		return sign + limit + ": met"
	}
	return sign + limit + ": MISSED"
}

func (r row) showRatio() string {
	if !r.alike {
		return "-"
	}
	return ratioText(r.ratio())
}

func ratioText(ratio float64) string {
	if ratio < 1 {
		return fmt.Sprintf("%.2f x", ratio)
	}
	return fmt.Sprintf("%.1f x", ratio)
}

func printRows(b *testing.B, out io.Writer, rows []row) {
	b.Helper()
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "MEASURED\tMEDIAN\tAGAINST\tMEDIAN\tRATIO\tGOAL")
	for _, r := range rows {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", r.measure, r.unit.show(r.values),
			r.against, r.unit.show(r.yardstick), r.showRatio(), r.goal.judge(r))
	}
	if err := table.Flush(); err != nil {
		b.Fatal(err)
	}
}

func TestGoal(t *testing.T) {
	r := row{unit: seconds, values: sample{3}, yardstick: sample{2}}
	for _, test := range []struct {
		goal goal
		want string
	}{
		{goal{}, "-"},
		{goal{limit: 3}, "<= 3.00 s: met"},
		{goal{limit: 2.9}, "<= 2.90 s: MISSED"},
		{goal{limit: 1.5, ratio: true}, "<= 1.5 x: met"},
		{goal{limit: 1.4, ratio: true}, "<= 1.4 x: MISSED"},
	} {
		if got := test.goal.judge(r); got != test.want {
			t.Errorf("%+v is judged %q, not %q", test.goal, got, test.want)
		}
	}
}
