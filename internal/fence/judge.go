package fence

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Judge watches all leases and declares nodes fenced. Every server may run one, all
// the time: what they write has preconditions. One of them should lead, so that the
// limit of rule 11 is kept.
//
// The caller owes: to Observe whenever it has all leases afresh, in the order in
// which the API gave them, several times within Terms.Blind; to carry out what
// Decide returns if it leads.
type Judge struct {
	terms   Terms
	begun   bool
	contact Instant
	nodes   map[string]*sighting
}

// sighting is what a judge knows of a node.
type sighting struct {
	lease Lease
	// since: the lease was seen in this version no later, and first in this state and
	// epoch. Only since is set anew when the judge was blind: an epoch that is Fenced at
	// two moments was so between them.
	since, first Instant
	// refused: when what a member vouched for has surely run out.
	refused map[string]Instant
	asked   Instant
}

// Verdict is what a judge decides.
type Verdict struct {
	Actions []Action
	// Held are the nodes that would be closed or fenced, and why they are not.
	Held map[string]Held
	// Again is how soon to Observe and Decide again.
	Again time.Duration
}

// Held is why a node is not closed, or not fenced.
type Held struct {
	// Reason is one word, for people; empty while it is just a matter of time.
	Reason, Message string
}

// The reasons for which a person may have to do something.
const (
	TooManyLost = "TooManyLost" // rule 11
	NotRefused  = "NotRefused"  // rule 8: a majority may still vouch for it
)

// NewJudge knows nothing; see rule 7.
func NewJudge(terms Terms) *Judge { return &Judge{terms: terms, nodes: map[string]*sighting{}} }

// Observe takes in all leases as the API has just given them.
func (j *Judge) Observe(now Instant, leases []Lease) {
	wasBlind := j.blind(now)
	j.begun, j.contact = true, now
	present := map[string]bool{}
	for _, lease := range leases {
		present[lease.Node] = true
		j.see(now, lease, wasBlind)
	}
	maps.DeleteFunc(j.nodes, func(name string, _ *sighting) bool { return !present[name] })
}

func (j *Judge) see(now Instant, lease Lease, wasBlind bool) {
	s := j.nodes[lease.Node]
	switch {
	case s == nil || s.lease.Subject() != lease.Subject() || s.lease.State != lease.State || s.lease.Epoch != lease.Epoch:
		j.nodes[lease.Node] = &sighting{lease: lease, since: now, first: now, refused: map[string]Instant{}, asked: now - Instant(j.terms.Renew)}
	case s.lease.Version != lease.Version:
		s.lease, s.since = lease, now
	case wasBlind:
		s.since = now
	}
}

// blind: the judge may have been asleep, or the API away.
func (j *Judge) blind(now Instant) bool { return !j.begun || now.Sub(j.contact) > j.terms.Blind }

// Refused takes in that a member refuses an epoch, and last vouched for the subject so long ago.
func (j *Judge) Refused(now Instant, subject Subject, epoch int32, member string, age time.Duration) {
	s := j.nodes[subject.Node]
	if s == nil || s.lease.Subject() != subject || s.lease.Epoch != epoch || s.lease.State != Closing {
		return
	}
	over := now.Add(max(0, j.terms.Wait-age))
	if before, again := s.refused[member]; again {
		over = min(over, before) // it vouches no more: the first answer holds
	}
	s.refused[member] = over
}

// Decide says what to do now. It may be asked at any time.
func (j *Judge) Decide(now Instant) Verdict {
	v := Verdict{Held: map[string]Held{}, Again: j.again(now)}
	if j.blind(now) {
		return v
	}
	held := j.tooMany(now)
	for _, name := range slices.Sorted(maps.Keys(j.nodes)) {
		s := j.nodes[name]
		switch {
		case s.lease.State == Fenced:
			v.Actions = append(v.Actions, Action{Verb: FailOver, Lease: s.lease, For: now.Sub(s.first), Reason: fmt.Sprintf("node %s is fenced, epoch %d", name, s.lease.Epoch)})
		case s.lease.State == Open && now.Sub(s.since) < j.terms.Close:
		case held != "":
			v.Held[name] = Held{TooManyLost, held}
		case s.lease.State == Open:
			v.Actions = append(v.Actions, write(s.lease, Closing, s.lease.Epoch, fmt.Sprintf("it has not renewed for %v", now.Sub(s.since).Round(time.Millisecond))))
		default:
			j.fence(now, s, &v)
		}
	}
	return v
}

// again is short while a node is on its way from lost to fenced, or was fenced just now.
func (j *Judge) again(now Instant) time.Duration {
	for _, s := range j.nodes {
		silent := now.Sub(s.since)
		if s.lease.State == Open && silent >= j.terms.Close-j.terms.Blind/2 || s.lease.State != Open && silent < j.terms.Wait {
			return j.terms.Blind / 10
		}
	}
	return j.terms.Blind / 4
}

// fence is the second half of rule 8.
func (j *Judge) fence(now Instant, s *sighting, v *Verdict) {
	node, members := s.lease.Node, s.lease.Members
	var missing []string
	for _, other := range members.Others(node) {
		if until, refused := s.refused[other]; !refused || now < until {
			missing = append(missing, other)
		}
	}
	over, needed := len(members)-1-len(missing), members.refusalsNeeded()
	// Whoever closed it had waited for Close already.
	if over >= needed && now.Sub(s.since) >= j.terms.Wait-j.terms.Close {
		v.Actions = append(v.Actions, write(s.lease, Fenced, s.lease.Epoch+1, fmt.Sprintf("its lease ran out, and %d of %d members refuse it", over, len(members))))
		return
	}
	v.Held[node] = j.notRefused(now, s, over, missing)
	if len(missing) > 0 && now.Sub(s.asked) >= j.terms.Renew {
		s.asked = now
		v.Actions = append(v.Actions, Action{
			Verb: AskRefusals, Lease: s.lease, Subject: s.lease.Subject(), Epoch: s.lease.Epoch,
			Members: members.Others(node), Reason: v.Held[node].Message,
		})
	}
}

// untold is for how many times Terms.Wait a lease may be closed before people are told.
const untold = 4

func (j *Judge) notRefused(now Instant, s *sighting, over int, missing []string) Held {
	node, members := s.lease.Node, s.lease.Members
	if len(members) == 1 {
		return Held{NotRefused, fmt.Sprintf("node %s is closed, but when it was last heard of it knew no other node that could tell that its lease ran out; %s", node, takeOut(node))}
	}
	held := Held{Message: fmt.Sprintf("node %s is closed, and its lease may not have run out: %d of the %d refusals that %d members must give are there",
		node, over, members.refusalsNeeded(), len(members))}
	if len(missing) > 0 {
		held.Message += ", not those of " + strings.Join(missing, ", ")
	}
	if now.Sub(s.first) >= untold*j.terms.Wait {
		held.Reason = NotRefused
		held.Message += "; " + takeOut(node)
	}
	return held
}

// takeOut is what only a person can say.
func takeOut(node string) string {
	return fmt.Sprintf("those that are off for good are taken out: kubectl delete node %[1]s, and kubectl delete lease -n mainstay-node-lease %[1]s", node)
}

func write(lease Lease, state State, epoch int32, reason string) Action {
	lease.State, lease.Epoch, lease.Reason = state, epoch, reason
	return Action{Verb: WriteLease, Lease: lease, Reason: reason}
}

// tooMany is rule 11. A node that was fenced counts until it is back, or its lease
// is removed.
func (j *Judge) tooMany(now Instant) string {
	lost := 0
	for _, s := range j.nodes {
		if s.lease.State != Open || now.Sub(s.since) >= j.terms.suspect() {
			lost++
		}
	}
	if 2*lost <= len(j.nodes) {
		return ""
	}
	return fmt.Sprintf("%d of %d nodes seem lost, which is more than half: nobody is fenced before some are back; %s", lost, len(j.nodes), takeOut("NAME"))
}
