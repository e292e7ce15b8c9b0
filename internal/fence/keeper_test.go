package fence

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// node is a keeper in a test, with what it has asked for and was not yet given.
type node struct {
	t      *testing.T
	keeper *Keeper
	now    Instant
	asked  []Action
}

const start = Instant(time.Hour)

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// holder is a node that holds epoch 3 since now, of three members.
func holder(t *testing.T) *node {
	n := &node{t: t, now: start, keeper: NewKeeper(start, DefaultTerms(), "n1", "m")}
	n.keeper.SetMembers(Members{"n0", "n1", "n2"})
	n.stopAll()
	n.answer(ReadLease, Answer{Lease: n.lease(Fenced, 2, 10)})
	n.answer(WriteLease, Answer{Lease: n.lease(Open, 3, 11)})
	n.want(ClaimPets)
	return n
}

func (n *node) lease(state State, epoch int32, version uint64) Lease {
	return Lease{Node: "n1", UID: "u", Version: version, Record: Record{State: state, Epoch: epoch, Machine: "m", Members: Members{"n0", "n1", "n2"}}}
}

func (n *node) did(actions []Action) { n.asked = append(n.asked, actions...) }

// after lets time pass, with an engine that works.
func (n *node) after(s float64) {
	n.now = n.now.Add(seconds(s))
	n.keeper.EngineSeen(n.now)
	n.did(n.keeper.Tick(n.now))
}

func (n *node) take(verb Verb) (Action, bool) {
	i := slices.IndexFunc(n.asked, func(a Action) bool { return a.Verb == verb })
	if i < 0 {
		return Action{}, false
	}
	action := n.asked[i]
	n.asked = slices.Delete(n.asked, i, i+1)
	return action, true
}

// want takes the oldest action of that verb.
func (n *node) want(verb Verb) Action {
	n.t.Helper()
	action, ok := n.take(verb)
	if !ok {
		n.t.Fatalf("it does not %s, but %+v", verb, n.asked)
	}
	return action
}

func (n *node) wantNone(verb Verb) {
	n.t.Helper()
	if action, ok := n.take(verb); ok {
		n.t.Errorf("it wants to %s: %s", verb, action.Reason)
	}
}

func (n *node) answer(verb Verb, answer Answer) {
	n.t.Helper()
	n.did(n.keeper.Answered(n.now, n.want(verb).ID, answer))
}

func (n *node) stopAll() {
	n.t.Helper()
	n.did(n.keeper.Tick(n.now))
	n.did(n.keeper.Stopped(n.now, n.want(StopPets).ID))
}

func (n *node) wantHolds(want bool) {
	n.t.Helper()
	if n.keeper.Holds(n.now) != want {
		n.t.Errorf("it holds the lease: %v, but must %v: %s", !want, want, n.keeper.Why())
	}
}

// Rule 1: the term is counted from before a renewal was sent.
func TestTermCountsFromBeforeSending(t *testing.T) {
	n := holder(t)
	n.after(0.8)
	n.now = n.now.Add(seconds(2))
	n.answer(WriteLease, Answer{Lease: n.lease(Open, 3, 12)})
	if until, _ := n.keeper.Until(); until != start.Add(seconds(0.8+3.5)) {
		t.Errorf("the renewal of 0.8 s holds until %v", until.Sub(start))
	}
	n.after(1.49)
	n.wantHolds(true)
	n.after(0.01)
	n.wantHolds(false)
	n.want(StopPets)
}

// A renewal that is lost does no harm.
func TestOneLostRenewal(t *testing.T) {
	n := holder(t)
	n.after(0.8)
	n.want(WriteLease) // lost
	n.after(0.8)
	n.answer(WriteLease, Answer{Outcome: Conflict}) // it was only the answer
	n.answer(ReadLease, Answer{Lease: n.lease(Open, 3, 12)})
	n.answer(WriteLease, Answer{Lease: n.lease(Open, 3, 13)})
	n.after(3.4)
	n.wantHolds(true)
	n.wantNone(StopPets)
}

// Rule 2: what comes after the lease ran out does not lengthen it.
func TestRanOut(t *testing.T) {
	for name, late := range map[string]func(*node, Action, Action){
		"a renewal": func(n *node, renewal, _ Action) {
			n.did(n.keeper.Answered(n.now, renewal.ID, Answer{Lease: n.lease(Open, 3, 12)}))
		},
		"a member's word": func(n *node, _, round Action) { n.did(n.keeper.Vouched(n.now, round.ID, "n2")) },
		"nothing":         func(n *node, _, _ Action) { n.after(0) },
	} {
		n := holder(t)
		n.after(1.6)
		renewal, round := n.want(WriteLease), n.want(AskMembers)
		n.now = n.now.Add(seconds(1.9)) // asleep
		late(n, renewal, round)
		if n.wantHolds(false); t.Failed() {
			t.Fatal(name)
		}
		n.want(StopPets)
		n.wantNone(WriteLease) // before all is stopped
	}
}

// Rule 3: a new epoch, when all is stopped.
func TestAcquireWhenStopped(t *testing.T) {
	n := holder(t)
	n.after(3.5)
	stop := n.want(StopPets)
	n.asked = nil
	n.did(n.keeper.Stopped(n.now, stop.ID-1))
	n.wantNone(ReadLease) // another stop was done
	n.did(n.keeper.Stopped(n.now, stop.ID))
	n.answer(ReadLease, Answer{Lease: n.lease(Closing, 3, 12)})
	write := n.want(WriteLease).Lease
	if write.State != Open || write.Epoch != 4 || write.Version != 12 {
		t.Errorf("it acquires with %+v", write)
	}
}

func TestOfTwoMachinesOneHolds(t *testing.T) {
	for state, may := range map[State]bool{Open: false, Closing: false, Fenced: true} {
		n := &node{t: t, now: start, keeper: NewKeeper(start, DefaultTerms(), "n1", "another")}
		n.keeper.SetMembers(Members{"n1"})
		n.stopAll()
		n.answer(ReadLease, Answer{Lease: n.lease(state, 3, 12)})
		if _, writes := n.take(WriteLease); writes != may {
			t.Errorf("another machine's lease is %s: this one takes it: %v", state, writes)
		}
		if !may && !strings.Contains(n.keeper.Why(), "another machine") {
			t.Errorf("it says %q", n.keeper.Why())
		}
	}
}

// A node that took itself to be alone would vouch for itself for ever.
func TestNoEpochBeforeMembersAreKnown(t *testing.T) {
	n := &node{t: t, now: start, keeper: NewKeeper(start, DefaultTerms(), "n1", "m")}
	n.stopAll()
	n.answer(ReadLease, Answer{Outcome: Gone})
	n.after(5)
	n.wantNone(WriteLease)
	n.keeper.SetMembers(Members{"n1"})
	n.after(0)
	if write := n.want(WriteLease).Lease; write.Version != 0 || write.Epoch != 1 {
		t.Errorf("the first lease is %+v", write)
	}
}

// An acquisition whose answer comes too late gives nothing.
func TestLateAcquisition(t *testing.T) {
	n := &node{t: t, now: start, keeper: NewKeeper(start, DefaultTerms(), "n1", "m")}
	n.keeper.SetMembers(Members{"n1"})
	n.stopAll()
	n.answer(ReadLease, Answer{Lease: n.lease(Fenced, 2, 10)})
	n.now = n.now.Add(seconds(3.5))
	n.keeper.EngineSeen(n.now)
	n.answer(WriteLease, Answer{Lease: n.lease(Open, 3, 11)})
	n.wantHolds(false)
	n.wantNone(ClaimPets)
	if again := n.want(WriteLease).Lease; again.Epoch != 4 {
		t.Errorf("it begins again with epoch %d", again.Epoch)
	}
}

// A holder that finds its lease closing takes it back, and no pet notices.
func TestTakeBack(t *testing.T) {
	n := holder(t)
	n.after(0.8)
	n.answer(WriteLease, Answer{Outcome: Conflict})
	n.answer(ReadLease, Answer{Lease: n.lease(Closing, 3, 12)})
	write := n.want(WriteLease)
	if write.Lease.State != Open || write.Lease.Epoch != 4 || write.Lease.Version != 12 {
		t.Errorf("it takes the lease back with %+v", write.Lease)
	}
	// The answer is lost, and the keeper finds its own write.
	n.after(0.8)
	n.answer(WriteLease, Answer{Outcome: Conflict})
	n.answer(ReadLease, Answer{Lease: n.lease(Open, 4, 13)})
	n.answer(WriteLease, Answer{Lease: n.lease(Open, 4, 14)})
	n.after(3.4)
	n.wantHolds(true)
	n.wantNone(StopPets)
	n.wantNone(ClaimPets)
}

// A lease that is not this keeper's any more stops the pets at once.
func TestLeaseTakenAway(t *testing.T) {
	for name, answer := range map[string]Answer{
		"fenced":                       {Lease: Lease{Version: 12, Record: Record{State: Fenced, Epoch: 4, Machine: "m"}}},
		"held by another machine":      {Lease: Lease{Version: 12, Record: Record{State: Open, Epoch: 3, Machine: "x"}}},
		"in an epoch that is not ours": {Lease: Lease{Version: 12, Record: Record{State: Open, Epoch: 4, Machine: "m"}}},
		"removed, as somebody says so": {Outcome: Gone},
		"of an epoch from long ago":    {Lease: Lease{Version: 12, Record: Record{State: Open, Epoch: 2, Machine: "m"}}},
	} {
		n := holder(t)
		n.after(0.8)
		n.answer(WriteLease, Answer{Outcome: Conflict})
		n.answer(ReadLease, answer)
		if n.wantHolds(false); t.Failed() {
			t.Fatal(name)
		}
		n.want(StopPets)
	}
}

// An engine that is gone gives the node up, and nobody has to wait.
func TestEngineGone(t *testing.T) {
	n := holder(t)
	version := uint64(11)
	pass := func(s float64) {
		for end := n.now.Add(seconds(s)); n.now < end; {
			n.now = n.now.Add(seconds(0.1))
			n.did(n.keeper.Tick(n.now))
			if write, ok := n.take(WriteLease); ok {
				version++
				write.Lease.UID, write.Lease.Version = "u", version
				n.did(n.keeper.Answered(n.now, write.ID, Answer{Lease: write.Lease}))
			}
		}
	}
	pass(4.9)
	n.wantHolds(true) // it may be a restart
	pass(0.2)
	n.stopAll()
	n.answer(ReadLease, Answer{Lease: n.lease(Open, 3, version)})
	if release := n.want(WriteLease).Lease; release.State != Fenced || release.Epoch != 4 {
		t.Errorf("it gives the lease back as %+v", release)
	}
}

// Without the API nobody could take the pets over, and they go on.
func TestEngineAndAPIGone(t *testing.T) {
	n := holder(t)
	for range 6000 { // ten minutes
		n.now = n.now.Add(seconds(0.1))
		n.did(n.keeper.Tick(n.now))
		if round, ok := n.take(AskMembers); ok {
			n.did(n.keeper.Vouched(n.now.Add(seconds(0.01)), round.ID, "n0"))
		}
	}
	n.wantHolds(true)
	n.wantNone(StopPets)
}

func TestLeave(t *testing.T) {
	n := holder(t)
	n.did(n.keeper.Leave(n.now))
	n.wantHolds(false)
	n.wantNone(ReadLease) // while pets may run it gives nothing back
	n.stopAll()
	n.answer(ReadLease, Answer{Lease: n.lease(Open, 3, 11)})
	n.answer(WriteLease, Answer{Lease: n.lease(Fenced, 4, 12)})
	n.after(10)
	n.wantNone(WriteLease)
}

// Rule 10: a keeper that was killed is followed by one that goes on, if the
// deadline still holds.
func TestResume(t *testing.T) {
	left := Deadline{Boot: "b", Epoch: 3, Until: start.Add(time.Second)}
	for name, test := range map[string]struct {
		now   Instant
		boot  string
		holds bool
	}{
		"in time":               {start, "b", true},
		"too late":              {start.Add(time.Second), "b", false},
		"the machine restarted": {start, "another", false},
	} {
		n := &node{t: t, now: test.now, keeper: ResumeKeeper(test.now, DefaultTerms(), "n1", "m", left, test.boot)}
		if n.wantHolds(test.holds); t.Failed() {
			t.Fatal(name)
		}
		n.after(0)
		if _, stops := n.take(StopPets); stops == test.holds {
			t.Errorf("%s: it stops the pets: %v", name, stops)
		}
	}
}

func TestResumedKeeperRenews(t *testing.T) {
	n := &node{t: t, now: start, keeper: ResumeKeeper(start, DefaultTerms(), "n1", "m", Deadline{Boot: "b", Epoch: 3, Until: start.Add(time.Second)}, "b")}
	n.after(0)
	n.answer(ReadLease, Answer{Lease: n.lease(Open, 3, 12)})
	if write := n.want(WriteLease).Lease; len(write.Members) != 3 {
		t.Errorf("before it knows the members it writes %v", write.Members)
	}
}

func TestDeadlinePassed(t *testing.T) {
	n := holder(t)
	n.did(n.keeper.Ended(n.now))
	n.wantHolds(false)
	n.want(StopPets)
}
