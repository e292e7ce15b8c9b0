package fence

import (
	"slices"
	"testing"
	"time"
)

// Rule 5: a majority in one round, counted from before it began.
func TestRound(t *testing.T) {
	n := holder(t)
	n.after(0.8)
	n.wantNone(AskMembers) // the API may answer yet
	n.after(0.8)
	round := n.want(AskMembers)
	if !slices.Equal(round.Members, []string{"n0", "n2"}) || round.Epoch != 3 || round.Subject.Node != "n1" {
		t.Errorf("it asks %+v", round)
	}
	n.now = n.now.Add(seconds(0.5))
	n.did(n.keeper.Vouched(n.now, round.ID, "a stranger"))
	if until, _ := n.keeper.Until(); until != start.Add(seconds(3.5)) {
		t.Error("a stranger's word counts")
	}
	n.did(n.keeper.Vouched(n.now, round.ID, "n2"))
	if until, _ := n.keeper.Until(); until != start.Add(seconds(1.6+3.5)) {
		t.Errorf("a round of 1.6 s holds until %v", until.Sub(start))
	}
}

func TestWordOfAnEarlierRound(t *testing.T) {
	n := holder(t)
	n.after(1.6)
	first := n.want(AskMembers)
	n.after(0.8)
	n.want(AskMembers)
	n.did(n.keeper.Vouched(n.now, first.ID, "n2"))
	if until, _ := n.keeper.Until(); until != start.Add(seconds(3.5)) {
		t.Error("it counts")
	}
}

// While nobody knows which members are committed, a majority of each list it may be.
func TestMembersChange(t *testing.T) {
	n := holder(t)
	n.keeper.SetMembers(Members{"n1", "n3", "n4"})
	n.after(0.8)
	n.want(WriteLease) // nobody knows what became of it
	n.after(0.8)
	round := n.want(AskMembers)
	if !slices.Equal(round.Members, []string{"n0", "n2", "n3", "n4"}) {
		t.Errorf("it asks %v", round.Members)
	}
	before, _ := n.keeper.Until()
	n.did(n.keeper.Vouched(n.now, round.ID, "n0"))
	if until, _ := n.keeper.Until(); until != before {
		t.Error("a majority of the old members is enough")
	}
	n.did(n.keeper.Vouched(n.now, round.ID, "n4"))
	if until, _ := n.keeper.Until(); until == before {
		t.Error("a majority of both is not enough")
	}

	// When the new members are known to be committed, they count alone.
	n.did(n.keeper.Answered(n.now, n.want(WriteLease).ID, Answer{Outcome: Conflict}))
	read := n.lease(Open, 3, 12)
	read.Members = Members{"n1", "n3", "n4"}
	n.answer(ReadLease, Answer{Lease: read})
	n.after(0.8)
	if round := n.want(AskMembers); !slices.Equal(round.Members, []string{"n3", "n4"}) {
		t.Errorf("it asks %v", round.Members)
	}
}

// A resumed keeper does not know what its predecessor may still commit.
func TestResumedKeeperAsksNobody(t *testing.T) {
	terms := DefaultTerms()
	n := &node{t: t, now: start, keeper: ResumeKeeper(start, terms, "n1", "m", Deadline{Boot: "b", Epoch: 3, Until: start.Add(terms.Term)}, "b")}
	n.after(0)
	n.answer(ReadLease, Answer{Lease: n.lease(Open, 3, 12)})
	n.after(1.7)
	n.wantNone(AskMembers)
	n.answer(WriteLease, Answer{Lease: n.lease(Open, 3, 13)})
	n.after(1.7)
	n.want(AskMembers)
}

// A node that is alone goes on without an API, and needs nobody's word.
func TestAlone(t *testing.T) {
	n := &node{t: t, now: start, keeper: NewKeeper(start, DefaultTerms(), "n1", "m")}
	n.keeper.SetMembers(Members{"n1"})
	n.stopAll()
	n.answer(ReadLease, Answer{Outcome: Gone})
	lease := n.lease(Open, 1, 1)
	lease.Members = Members{"n1"}
	n.answer(WriteLease, Answer{Lease: lease})
	for range int(10 * time.Minute / (100 * time.Millisecond)) {
		n.after(0.1)
	}
	n.wantHolds(true)
	n.wantNone(AskMembers)
}
