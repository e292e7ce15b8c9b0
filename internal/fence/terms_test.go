package fence

import (
	"strings"
	"testing"
	"time"
)

func TestTermsCheck(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Terms)
		want   string // part of the error; "": none
	}{
		{"the defaults hold", func(*Terms) {}, ""},
		{"the inequality, just kept", func(t *Terms) { t.Drift, t.Wait = 0, t.Term+t.Stop }, ""},
		{"the inequality, just not", func(t *Terms) { t.Drift, t.Wait = 0, t.Term+t.Stop-1 }, "the judge waits"},
		{"the time to stop counts", func(t *Terms) { t.Stop = time.Second }, "the judge waits"},
		{"drift counts", func(t *Terms) { t.Drift = 0.05 }, "the judge waits"},
		{"drift as a percentage", func(t *Terms) { t.Drift = 1 }, "as a fraction"},
		{"no room for a lost renewal", func(t *Terms) { t.Renew = time.Second }, "lost"},
		{"a zero", func(t *Terms) { t.Stop = 0 }, "more than zero"},
		{"a lost renewal closes", func(t *Terms) { t.Close = t.Renew }, "bears a lost renewal"},
		{"closed later than fenced", func(t *Terms) { t.Close = t.Wait + 1 }, "at most"},
		{"a judge that may be blind for as long as it waits", func(t *Terms) { t.Blind = t.Wait }, "sees nothing"},
	} {
		terms := DefaultTerms()
		test.change(&terms)
		err := terms.Check()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}

// The fastest judge waits longer than the slowest node runs.
func TestWaitCoversDrift(t *testing.T) {
	terms := DefaultTerms()
	terms.Wait = terms.surely()
	slowest := float64(terms.Term+terms.Stop) / (1 - terms.Drift)
	if waited := float64(terms.Wait) / (1 + terms.Drift); waited < slowest-1 {
		t.Errorf("the judge waits %v at least, and a node may run for %v", time.Duration(waited), time.Duration(slowest))
	}
}
