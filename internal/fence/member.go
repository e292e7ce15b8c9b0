package fence

import (
	"fmt"
	"time"
)

// Member gives and refuses a node's word for other nodes. Its memory lives as
// long as its process, which is enough: see rule 6.
type Member struct {
	started  Instant
	informed bool
	// refused is the highest epoch for which it will not vouch.
	refused map[Subject]int32
	vouched map[Subject]Instant
}

// NewMember starts without memory.
func NewMember(now Instant) *Member {
	return &Member{started: now, refused: map[Subject]int32{}, vouched: map[Subject]Instant{}}
}

// Read takes in all leases, read by quorum after the member was made. A lease that
// is not Open may have been refused by this member before it was restarted.
func (m *Member) Read(leases []Lease) {
	for _, lease := range leases {
		closed := lease.Epoch
		if lease.State == Open {
			closed--
		}
		m.refuse(lease.Subject(), closed)
	}
	m.informed = true
}

// Vouch is asked for by the keeper of the subject. An error says why not.
func (m *Member) Vouch(now Instant, subject Subject, epoch int32) error {
	if !m.informed {
		return fmt.Errorf("no word for %s: this member was restarted, and has not yet read which nodes are closed", subject.Node)
	}
	if epoch <= m.refused[subject] {
		return fmt.Errorf("no word for %s: its epoch %d is closed", subject.Node, epoch)
	}
	m.vouched[subject] = now
	return nil
}

// Refuse is asked for by a judge that has committed Closing. It returns how long
// ago, at least, the member last vouched for the subject, in whatever epoch.
func (m *Member) Refuse(now Instant, subject Subject, epoch int32) time.Duration {
	m.refuse(subject, epoch)
	last, ok := m.vouched[subject]
	if !ok {
		last = m.started
	}
	return now.Sub(last)
}

func (m *Member) refuse(subject Subject, epoch int32) {
	m.refused[subject] = max(m.refused[subject], epoch)
}
