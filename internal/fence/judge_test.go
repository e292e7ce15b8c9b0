package fence

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// court is a judge in a test, that sees everything several times a second.
type court struct {
	t      *testing.T
	judge  *Judge
	now    Instant
	leases []Lease
	// silent are nodes that do not renew.
	silent map[string]bool
}

func newCourt(t *testing.T, nodes int, silent ...string) *court {
	c := &court{t: t, judge: NewJudge(DefaultTerms()), now: start, silent: map[string]bool{}}
	for i := range nodes {
		c.leases = append(c.leases, Lease{Node: fmt.Sprintf("n%d", i), UID: "u", Version: 1, Record: Record{State: Open, Epoch: 3, Machine: "m"}})
	}
	for i := range c.leases {
		for _, lease := range c.leases {
			c.leases[i].Members = append(c.leases[i].Members, lease.Node)
		}
	}
	for _, name := range silent {
		c.silent[name] = true
	}
	c.see()
	return c
}

func (c *court) see() { c.judge.Observe(c.now, c.leases) }

// pass lets time go by while others renew.
func (c *court) pass(s float64) {
	for end := c.now.Add(seconds(s)); c.now < end; {
		c.now = min(end, c.now.Add(seconds(0.2)))
		c.leases = slices.Clone(c.leases)
		for i := range c.leases {
			if !c.silent[c.leases[i].Node] && c.leases[i].State == Open {
				c.leases[i].Version++
			}
		}
		c.see()
	}
}

// write does what the judge wants to write.
func (c *court) write(action Action) {
	i := slices.IndexFunc(c.leases, func(l Lease) bool { return l.Node == action.Lease.Node })
	if c.leases[i].Version != action.Lease.Version {
		c.t.Fatalf("the precondition is version %d, and it has %d", action.Lease.Version, c.leases[i].Version)
	}
	c.leases = slices.Clone(c.leases)
	c.leases[i] = action.Lease
	c.leases[i].Version++
	c.see()
}

func (c *court) want(verb Verb) []Action {
	c.t.Helper()
	verdict := c.judge.Decide(c.now)
	found := slices.DeleteFunc(verdict.Actions, func(a Action) bool { return a.Verb != verb })
	if len(found) == 0 {
		c.t.Fatalf("the judge does not %s; it holds %v", verb, verdict.Held)
	}
	return found
}

func (c *court) wantNothing(why string) {
	c.t.Helper()
	if verdict := c.judge.Decide(c.now); len(verdict.Actions) > 0 {
		c.t.Fatalf("%s: the judge wants %s: %s", why, verdict.Actions[0].Verb, verdict.Actions[0].Reason)
	}
}

func (c *court) held(node string) Held { return c.judge.Decide(c.now).Held[node] }

// wantNoWrite: it may ask, but commits nothing.
func (c *court) wantNoWrite(why string) {
	c.t.Helper()
	for _, action := range c.judge.Decide(c.now).Actions {
		if action.Verb == WriteLease {
			c.t.Fatalf("%s: the judge writes %s: %s", why, action.Lease.State, action.Reason)
		}
	}
}

// closed is a court that has just closed n0's lease.
func closed(t *testing.T, nodes int) *court {
	c := newCourt(t, nodes, "n0")
	c.pass(2.4)
	c.write(c.want(WriteLease)[0])
	return c
}

// Rule 8, its first half.
func TestClose(t *testing.T) {
	c := newCourt(t, 3, "n0")
	c.pass(2.3)
	c.wantNothing("n0 has been silent for less than Close")
	c.pass(0.1)
	writes := c.want(WriteLease)
	if len(writes) != 1 || writes[0].Lease.Node != "n0" || writes[0].Lease.State != Closing || writes[0].Lease.Epoch != 3 {
		t.Errorf("it writes %+v", writes)
	}
}

func TestOneRenewalIsEnough(t *testing.T) {
	c := newCourt(t, 3, "n0")
	c.pass(2.3)
	c.leases = slices.Clone(c.leases)
	c.leases[0].Version++
	c.pass(2.3)
	c.wantNothing("n0 has renewed once")
}

// Rule 7.
func TestJudgeWasBlind(t *testing.T) {
	c := newCourt(t, 3, "n0", "n1", "n2")
	c.pass(2)
	c.now = c.now.Add(seconds(1.1)) // asleep, or the API away
	c.wantNothing("it sees nothing now")
	c.see()
	c.pass(2.3)
	c.wantNothing("it was blind 2.3 s ago")
}

// Rule 8, its second half.
func TestFenceWhenEnoughRefuse(t *testing.T) {
	c := closed(t, 3)
	ask := c.want(AskRefusals)[0]
	if !slices.Equal(ask.Members, []string{"n1", "n2"}) || ask.Epoch != 3 {
		t.Errorf("it asks %+v", ask)
	}
	c.wantNothing("it has just asked")
	c.judge.Refused(c.now, ask.Subject, 3, "n1", time.Hour)
	c.judge.Refused(c.now, ask.Subject, 3, "n1", time.Hour)
	c.wantNothing("one member refuses, of the two that must")
	c.judge.Refused(c.now, ask.Subject, 2, "n2", time.Hour)
	c.wantNothing("the other refuses an earlier epoch")
	c.judge.Refused(c.now, ask.Subject, 3, "n2", seconds(3))
	c.pass(0.7)
	c.wantNothing("what it vouched for 3.7 s ago may hold yet")
	c.judge.Refused(c.now, ask.Subject, 3, "n2", 0) // it was restarted
	c.pass(0.8)
	c.wantNoWrite("the lease was closed 1.5 s ago")
	c.pass(0.1)
	fence := c.want(WriteLease)[0]
	if fence.Lease.State != Fenced || fence.Lease.Epoch != 4 {
		t.Errorf("it writes %+v", fence.Lease)
	}
	c.write(fence)
	if over := c.want(FailOver)[0]; over.Lease.Epoch != 4 {
		t.Errorf("it fails over %+v", over.Lease)
	}
}

func TestAsksAgain(t *testing.T) {
	c := closed(t, 3)
	c.want(AskRefusals)
	c.pass(0.8)
	c.want(AskRefusals)
}

// A node that is its own only member may vouch for itself for ever: a person must say that
// it is off.
func TestNobodyRefusesTheOnlyMember(t *testing.T) {
	c := newCourt(t, 2, "n0")
	c.leases = slices.Clone(c.leases)
	c.leases[0].Members, c.leases[0].Version = Members{"n0"}, 2
	c.see()
	c.pass(2.4)
	c.write(c.want(WriteLease)[0])
	c.pass(10)
	c.wantNothing("nobody can be asked")
	if held := c.held("n0"); held.Reason != NotRefused || !strings.Contains(held.Message, "kubectl delete node n0, ") {
		t.Errorf("it says %+v", held)
	}
}

// Who has left since, or is lost too, refuses nobody. People are told when that lasts.
func TestTooFewRefuse(t *testing.T) {
	c := closed(t, 4)
	ask := c.want(AskRefusals)[0]
	c.judge.Refused(c.now, ask.Subject, 3, "n1", time.Hour)
	c.pass(15)
	const missing = "1 of the 2 refusals that 4 members must give are there, not those of n2, n3"
	if held := c.held("n0"); held.Reason != "" || !strings.HasSuffix(held.Message, missing) {
		t.Errorf("after 15 s: %+v", held)
	}
	c.pass(1)
	if held := c.held("n0"); held.Reason != NotRefused || !strings.Contains(held.Message, missing+"; ") || !strings.Contains(held.Message, "kubectl delete node n0, ") {
		t.Errorf("after 16 s: %+v", held)
	}
	c.judge.Refused(c.now, ask.Subject, 3, "n3", time.Hour)
	if fence := c.want(WriteLease)[0]; fence.Lease.State != Fenced {
		t.Errorf("it writes %+v", fence.Lease)
	}
}

// Another judge goes on where one stopped.
func TestAnotherJudge(t *testing.T) {
	c := closed(t, 3)
	c.judge = NewJudge(DefaultTerms())
	c.see()
	ask := c.want(AskRefusals)[0]
	for _, member := range ask.Members {
		c.judge.Refused(c.now, ask.Subject, 3, member, time.Hour)
	}
	c.pass(1.5)
	c.wantNoWrite("this judge found the lease closed 1.5 s ago")
	c.pass(0.1)
	if fence := c.want(WriteLease)[0]; fence.Lease.State != Fenced {
		t.Errorf("it writes %+v", fence.Lease)
	}
}

// A lease that was taken back is watched from the beginning, and old refusals do
// not count.
func TestTakenBack(t *testing.T) {
	c := closed(t, 2)
	ask := c.want(AskRefusals)[0]
	c.judge.Refused(c.now, ask.Subject, 3, "n1", time.Hour)
	c.leases = slices.Clone(c.leases)
	c.leases[0].State, c.leases[0].Epoch = Open, 4
	c.leases[0].Version++
	c.see()
	c.wantNothing("n0 lives")
	c.pass(2.4)
	c.write(c.want(WriteLease)[0])
	c.judge.Refused(c.now, ask.Subject, 3, "n1", time.Hour) // late
	c.want(AskRefusals)
	c.wantNothing("nobody has refused epoch 4")
}

// Rule 11.
func TestTooManyLost(t *testing.T) {
	for _, test := range []struct{ nodes, lost, closed int }{
		{2, 1, 1}, {2, 2, 0}, {3, 1, 1}, {3, 2, 0}, {4, 2, 2}, {4, 3, 0}, {5, 2, 2}, {5, 3, 0}, {1, 1, 0},
	} {
		var lost []string
		for i := range test.lost {
			lost = append(lost, fmt.Sprintf("n%d", i))
		}
		c := newCourt(t, test.nodes, lost...)
		c.pass(4)
		verdict := c.judge.Decide(c.now)
		if len(verdict.Actions) != test.closed {
			t.Errorf("%d of %d are lost: it closes %d", test.lost, test.nodes, len(verdict.Actions))
		}
		if test.closed == 0 && (len(verdict.Held) != test.lost || !strings.Contains(verdict.Held["n0"].Message, "more than half")) {
			t.Errorf("%d of %d are lost: it holds %v", test.lost, test.nodes, verdict.Held)
		}
	}
}

// Nodes that are lost at once renewed at different moments before: the first is not
// closed before the others are counted.
func TestLostAtOnce(t *testing.T) {
	c := newCourt(t, 5, "n0")
	c.pass(0.8)
	c.silent = map[string]bool{"n0": true, "n1": true, "n2": true}
	c.pass(1.6)
	c.wantNothing("n0 is silent for 2.4 s, n1 and n2 for 1.6 s")
}

func TestNodeLeaves(t *testing.T) {
	c := closed(t, 3)
	c.leases = c.leases[1:]
	c.see()
	c.wantNothing("n0's lease is gone")
}
