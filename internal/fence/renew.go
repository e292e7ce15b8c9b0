package fence

import (
	"fmt"
	"maps"
)

// request is a read, or a write of a record, that the API has not answered.
type request struct {
	sent   Instant
	record *Record // nil: a read
}

// Outcome is how the API answered.
type Outcome int

// The outcomes.
const (
	// Done: the answer carries the lease as it is committed.
	Done Outcome = iota
	// Conflict: the precondition did not hold, or a lease to be created existed.
	Conflict
	// Gone: there is no such lease.
	Gone
	// Failed: nobody knows what became of a write.
	Failed
)

// Answer is the API's to a ReadLease or a WriteLease.
type Answer struct {
	Outcome Outcome
	Lease   Lease
}

// Answered takes an answer in. One that comes after the lease ran out, or after a
// newer acquisition was sent, finds its request forgotten.
func (k *Keeper) Answered(now Instant, id uint64, answer Answer) []Action {
	k.expire(now)
	request, awaited := k.requests[id]
	delete(k.requests, id)
	if awaited && answer.Outcome != Failed {
		k.next = now // unless a renewal went well, which says when the next is due
		k.takeIn(now, request, answer)
	}
	return k.decide(now)
}

func (k *Keeper) takeIn(now Instant, request request, answer Answer) {
	switch {
	case answer.Outcome == Conflict:
		k.stale = true
	case answer.Outcome == Gone:
		k.gone(request)
	case request.record != nil:
		k.committed(now, request, answer.Lease)
	default:
		k.learn(answer.Lease)
	}
}

// committed: a write of this process is in the API.
func (k *Keeper) committed(now Instant, request request, lease Lease) {
	k.settled = true
	if k.phase == stopped {
		k.learn(lease)
		if until := request.sent.Add(k.terms.Term); lease.State == Open && now < until {
			k.hold(request.sent, until, lease.Epoch)
		}
		return
	}
	if k.phase != holding || lease.Epoch < k.epoch {
		return
	}
	k.learn(lease)
	if k.phase == holding {
		k.acknowledged = max(k.acknowledged, request.sent)
		if k.known.State == Open {
			k.next = max(now, request.sent.Add(k.terms.Renew))
		}
		k.extend(request.sent.Add(k.terms.Term), "renewed")
	}
}

// hold begins an epoch.
func (k *Keeper) hold(sent, until Instant, epoch int32) {
	k.phase, k.acknowledged, k.next = holding, sent, sent.Add(k.terms.Renew)
	k.epoch, k.proposedEpoch = epoch, epoch
	k.extend(until, "acquired")
	k.do(Action{Verb: ClaimPets, Epoch: epoch, Reason: fmt.Sprintf("epoch %d begins: only pods that are still this node's may run", epoch)})
}

// learn takes in what is committed. While the lease holds, answers may come in any
// order, and the newest counts; later only the last request is awaited.
func (k *Keeper) learn(lease Lease) {
	if k.phase == holding && k.known != nil && lease.Version < k.known.Version {
		return
	}
	if k.known == nil || lease.Version > k.known.Version {
		// What was under way with the old version as precondition is void.
		k.proposed = nil
	}
	k.known, k.stale = &lease, false
	if k.phase != holding {
		return
	}
	// Epochs between are this keeper's own, whose answers were lost.
	if lease.Machine != k.machine || lease.State == Fenced || lease.Epoch < k.epoch || lease.Epoch > k.proposedEpoch {
		k.stopPets(fmt.Sprintf("the lease is %s by machine %s with epoch %d, and ours was %d", lease.State, lease.Machine, lease.Epoch, k.epoch))
		return
	}
	if lease.Epoch != k.epoch {
		k.epoch, k.round = lease.Epoch, nil
	}
}

func (k *Keeper) gone(request request) {
	k.stale = request.record != nil
	if !k.stale {
		k.known = nil
	}
	if k.phase == holding {
		k.stopPets("the lease is gone: somebody removed this node from the fence")
	}
}

// renew writes the lease, and takes it back when it is being closed.
func (k *Keeper) renew(now Instant) {
	if now < k.next {
		return
	}
	if k.known == nil || k.stale {
		k.send(now, nil, "which version the lease has")
		return
	}
	record := Record{State: Open, Epoch: k.epoch, Machine: k.machine, Members: k.members}
	if record.Members == nil {
		record.Members = k.known.Members
	}
	reason := "renewal"
	if k.known.State == Closing {
		record.Epoch++
		reason = "this node lives, and takes its lease back"
	}
	k.proposedEpoch = max(k.proposedEpoch, record.Epoch)
	k.propose(record.Members)
	k.send(now, &record, reason)
}

// begin: all is stopped. Acquire a new epoch, or give the lease back.
func (k *Keeper) begin(now Instant) {
	if now < k.next {
		return
	}
	wanted := !k.leaving && !k.engineDead(now) && k.members != nil
	switch {
	case k.stale:
		k.send(now, nil, "what became of the lease")
	case wanted && k.known == nil:
		k.send(now, &Record{State: Open, Epoch: 1, Machine: k.machine, Members: k.members}, "the first epoch")
	case wanted && k.known.State != Fenced && k.known.Machine != k.machine:
		k.why = fmt.Sprintf("node %s is held by another machine, %s, and may still run there; pets wait until it is fenced", k.node, k.known.Machine)
		k.stale, k.next = true, now.Add(k.terms.Renew)
	case wanted:
		k.send(now, &Record{State: Open, Epoch: k.known.Epoch + 1, Machine: k.machine, Members: k.members}, "all pets are stopped: a new epoch")
	case k.known != nil && k.known.State != Fenced && k.known.Machine == k.machine:
		given := Record{State: Fenced, Epoch: k.known.Epoch + 1, Machine: k.machine, Members: k.known.Members}
		given.Reason = "it has stopped all its pets, and gives them up: " + k.why
		k.send(now, &given, given.Reason)
	}
}

// send forgets requests whose answers could not count any more.
func (k *Keeper) send(now Instant, record *Record, reason string) {
	maps.DeleteFunc(k.requests, func(_ uint64, r request) bool {
		return k.phase != holding || now.Sub(r.sent) >= k.terms.Term
	})
	k.lastID++
	k.requests[k.lastID] = request{sent: now, record: record}
	k.next = now.Add(k.terms.Renew)
	action := Action{Verb: ReadLease, ID: k.lastID, Lease: Lease{Node: k.node}, Reason: reason}
	if record != nil {
		action.Verb, action.Lease.Record = WriteLease, *record
		if k.known != nil {
			action.Lease.UID, action.Lease.Version = k.known.UID, k.known.Version
		}
	}
	k.do(action)
}
