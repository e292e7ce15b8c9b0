package fence

import (
	"fmt"
	"time"
)

// Keeper holds a node's lease, and says when the node's pets must stop. It is made
// of values: the caller hands in what happened, with the time at which that was
// noticed, and carries out what comes back, in order.
//
// The caller owes: a Tick at Until and at least every quarter of Terms.Renew; every
// answer to an action, however late, or none; that nothing runs but by ClaimPets,
// and only while Holds.
type Keeper struct {
	terms   Terms
	node    string
	machine string
	// members are those that the next write commits; nil: not known yet.
	members Members

	phase phase
	// stop is the ID of the StopPets that is being carried out.
	stop  uint64
	epoch int32
	until Instant
	// why is the reason for the phase.
	why string

	// known is the newest lease that was read or written; nil: none, so far as is
	// known. stale: it must be read again before the next write.
	known *Lease
	stale bool
	// proposed are members that a write under way may commit yet, and epoch the
	// highest number that one may.
	proposed      []Members
	proposedEpoch int32
	// settled: this process has written the lease, so no write of the one before
	// it can be committed any more.
	settled bool

	// acknowledged: when the last write was sent that was acknowledged.
	acknowledged Instant
	engineSeen   Instant
	leaving      bool

	lastID   uint64
	requests map[uint64]request
	next     Instant // no request is sent before
	round    *round

	out []Action
}

type phase int

const (
	stopping phase = iota // pets may run, and are being stopped
	stopped               // no pet runs
	holding               // pets may run until the lease ends
)

// NewKeeper begins where nothing is known: with pets that must be stopped.
func NewKeeper(now Instant, terms Terms, node, machine string) *Keeper {
	k := &Keeper{
		terms: terms, node: node, machine: machine,
		engineSeen: now, stale: true, next: now, requests: map[uint64]request{},
	}
	k.stopPets("this keeper knows of no lease from before")
	return k
}

// ResumeKeeper goes on where a keeper that was killed had stopped, if what it left
// still holds: pets do not notice. Answers to the one before must not reach it.
func ResumeKeeper(now Instant, terms Terms, node, machine string, left Deadline, boot string) *Keeper {
	k := NewKeeper(now, terms, node, machine)
	if left.Overdue(boot, now) {
		return k
	}
	k.phase, k.why, k.out = holding, "resumed", nil
	// The one before may have been taking the lease back.
	k.epoch, k.proposedEpoch, k.until = left.Epoch, left.Epoch+1, left.Until
	k.acknowledged = now
	return k
}

// Holds says whether pets may run now. Once it is false it stays so for this epoch.
func (k *Keeper) Holds(now Instant) bool { return k.phase == holding && now < k.until }

// Until is when the lease ends, if there is one.
func (k *Keeper) Until() (until Instant, holds bool) { return k.until, k.phase == holding }

// Epoch is that of the lease, or of the last one.
func (k *Keeper) Epoch() int32 { return k.epoch }

// Why tells people why pets may run here, or may not.
func (k *Keeper) Why() string { return k.why }

// Tick lets time pass.
func (k *Keeper) Tick(now Instant) []Action {
	k.expire(now)
	return k.decide(now)
}

// EngineSeen takes in that kubelet has just shown that it works.
func (k *Keeper) EngineSeen(now Instant) { k.engineSeen = now }

// SetMembers hands in what MembersFor makes of what the API has told since the keeper was
// made. The next renewal commits them. No epoch begins before: a node that took itself to
// be alone would vouch for itself, and nobody could fence it.
func (k *Keeper) SetMembers(members Members) { k.members = members }

// Leave stops the pets and gives the lease back: the node is about to go.
func (k *Keeper) Leave(now Instant) []Action {
	k.expire(now)
	k.leaving = true
	return k.decide(now)
}

// Stopped takes in that the StopPets of this ID is done, and no pet runs.
func (k *Keeper) Stopped(now Instant, id uint64) []Action {
	if k.phase == stopping && id == k.stop {
		k.phase = stopped
	}
	return k.decide(now)
}

// Ended takes in that somebody else begins to stop the pets, because the Deadline passed.
func (k *Keeper) Ended(now Instant) []Action {
	if k.phase == holding {
		k.stopPets("the deadline passed")
	}
	return k.decide(now)
}

func (k *Keeper) decide(now Instant) []Action {
	if k.phase == holding {
		k.giveUp(now)
	}
	switch k.phase {
	case holding:
		k.renew(now)
		k.askMembers(now)
	case stopped:
		k.begin(now)
	}
	out := k.out
	k.out = nil
	return out
}

// expire is rule 2. It comes before everything that an event could say.
func (k *Keeper) expire(now Instant) {
	if k.phase == holding && now >= k.until {
		k.stopPets(fmt.Sprintf("the lease ran out: no renewal and no majority for %v", k.terms.Term))
	}
}

// giveUp: the node's engine is gone while the API takes writes, or the node leaves.
// Without the API nobody could take over, so pets go on without an engine.
func (k *Keeper) giveUp(now Instant) {
	switch {
	case k.leaving:
		k.stopPets("this node leaves")
	case k.engineDead(now) && now.Sub(k.acknowledged) < k.terms.quiet():
		k.stopPets(fmt.Sprintf("the engine has given no sign for %v", now.Sub(k.engineSeen).Round(time.Millisecond)))
	}
}

func (k *Keeper) engineDead(now Instant) bool { return now.Sub(k.engineSeen) >= k.terms.Engine }

// stopPets ends the epoch for this node: whatever is under way counts no more.
func (k *Keeper) stopPets(why string) {
	k.phase, k.why = stopping, why
	k.until, k.next, k.stale, k.round, k.proposed = 0, 0, true, nil, nil
	clear(k.requests)
	k.lastID++
	k.stop = k.lastID
	k.do(Action{Verb: StopPets, ID: k.stop, Reason: why})
}

// extend never shortens, and is called only while the lease holds.
func (k *Keeper) extend(until Instant, reason string) {
	if until <= k.until {
		return
	}
	k.until, k.why = until, reason
	k.do(Action{Verb: ExtendDeadline, Epoch: k.epoch, Until: until, Reason: reason})
}

func (k *Keeper) do(action Action) { k.out = append(k.out, action) }
