package fence

import (
	"testing"
	"time"
)

// The rules of rule 6, in their order.
func TestMember(t *testing.T) {
	lease := someLease()
	n1 := lease.Subject()
	m := NewMember(100)
	refuses := func(what string, epoch int32) {
		t.Helper()
		if err := m.Vouch(200, n1, epoch); err == nil {
			t.Errorf("%s: it vouches for epoch %d", what, epoch)
		}
	}
	vouches := func(what string, epoch int32) {
		t.Helper()
		if err := m.Vouch(200, n1, epoch); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	refuses("restarted", 3)
	if age := m.Refuse(150, Subject{Node: "other"}, 1); age != 50 {
		t.Errorf("a member that started 50 ns ago last vouched %v ago, by its word", age)
	}
	m.Read([]Lease{lease})
	vouches("the lease is open", 3)
	refuses("an epoch that has passed", 2)
	if age := m.Refuse(200+Instant(time.Second), n1, 3); age != time.Second {
		t.Errorf("it vouched 1 s ago, and says %v", age)
	}
	refuses("it has refused", 3)
	m.Refuse(300, n1, 2)
	refuses("it has refused, and a late question of an earlier epoch came", 3)
	m.Read([]Lease{lease})
	refuses("it has refused, and an answer from before then came", 3)
	vouches("a new epoch", 4)
	if m.Vouch(300, Subject{Node: "n1", UID: "another"}, 1) != nil {
		t.Error("a node that left and joined again begins at 1")
	}

	for _, state := range []State{Closing, Fenced} {
		m = NewMember(100)
		lease.State = state
		m.Read([]Lease{lease})
		refuses("restarted, the lease is "+string(state), 3)
	}
}
