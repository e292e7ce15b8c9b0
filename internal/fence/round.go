package fence

import "slices"

// round is one question to all members: will you vouch for this epoch?
type round struct {
	id     uint64
	begun  Instant
	voices map[string]bool
}

// askMembers begins a round when the API is quiet, and another one when that has
// had its time. It asks nobody before this process has written the lease once: a
// write of its predecessor might still change who the members are.
func (k *Keeper) askMembers(now Instant) {
	if !k.settled || k.known == nil || now.Sub(k.acknowledged) < k.terms.quiet() {
		k.round = nil
		return
	}
	if k.round != nil && now.Sub(k.round.begun) < k.terms.Renew {
		return
	}
	k.lastID++
	k.round = &round{id: k.lastID, begun: now, voices: map[string]bool{}}
	var others []string
	for _, members := range k.possible() {
		others = append(others, members.Others(k.node)...)
	}
	if len(others) > 0 {
		k.do(Action{
			Verb: AskMembers, ID: k.round.id, Subject: k.known.Subject(), Epoch: k.epoch,
			Members: MembersOf(others), Reason: "the API does not take renewals",
		})
	}
	k.count()
}

// Vouched takes in that a member gave its word in the round of this ID.
func (k *Keeper) Vouched(now Instant, id uint64, member string) []Action {
	k.expire(now)
	if k.phase == holding && k.round != nil && k.round.id == id {
		k.round.voices[member] = true
		k.count()
	}
	return k.decide(now)
}

// count is rule 5. A judge asks the members that are committed for refusals: a
// majority of all lists that may be.
func (k *Keeper) count() {
	for _, members := range k.possible() {
		if !members.vouch(k.node, k.round.voices) {
			return
		}
	}
	k.extend(k.round.begun.Add(k.terms.Term), "vouched for by a majority")
}

// propose: from now on a write may commit these members.
func (k *Keeper) propose(members Members) {
	if !slices.ContainsFunc(k.possible(), func(m Members) bool { return slices.Equal(m, members) }) {
		k.proposed = append(k.proposed, members)
	}
}

// possible are the lists of members of which one is committed.
func (k *Keeper) possible() []Members {
	return append([]Members{k.known.Members}, k.proposed...)
}
