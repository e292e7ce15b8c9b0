// Package fence decides when the pets of a node that nobody hears of may be
// started elsewhere.
//
// The promise: no two nodes ever run one pet, and no two nodes ever write one
// volume, whatever crashes, stalls, is cut off or comes back, as long as clocks
// drift apart by no more than Terms.Drift. And when faults end, pets run again.
//
// Everything here is a function of values: time, answers and beats come in,
// actions with their reasons go out. The parts:
//
//	Keeper    on each node: holds the node's lease, and stops its pets when it cannot
//	Member    on each node, beside the keeper: vouches for other nodes while the API is out
//	Judge     in the leading server, and standing by elsewhere: closes and fences
//	Failover  what is taken from a node that was fenced
//	Deadline  what the keeper shares with the process that stops pets if the keeper cannot
//
// # What is committed
//
// A node has one Lease object. It holds an epoch, a state, the machine that holds
// it, and the members whose majority may vouch for it. Every change is a write
// with the resourceVersion as its precondition, and safety hangs on these alone:
// never on who leads, and never on how fresh anybody's view is.
//
//	   renew                      close                     fence
//	┌────────┐         nothing heard for Close     enough members refuse
//	└─▶ Open ┴──────────────────────────▶ Closing ──────────────────▶ Fenced (epoch+1)
//	     ▲  ▲            take back (epoch+1)  │                         │
//	     │  └─────────────────────────────────┘                         │
//	     └──────────────────────────────────────────────────────────────┘
//	                  acquire (epoch+1): all pets are stopped
//
// Open and Closing become Fenced by the keeper's own hand too, when it has stopped
// everything and will not go on (release). Then nobody has to wait.
//
// # The rules
//
//  1. One inequality: Wait ≥ (Term + Stop) × drift (Terms.Check). The keeper counts
//     its term from before it sends, the judge its wait from after it has seen the
//     write. Both read CLOCK_BOOTTIME, and nobody reads another machine's clock.
//  2. A lease that ran out is never lengthened. The keeper stops the pets, forgets
//     what it has under way, and begins again with a new epoch.
//  3. A new epoch is acquired only when every pet is stopped, and only by the
//     machine that holds the lease, unless the lease is Fenced.
//  4. A pet runs only when the node has claimed its pod since it acquired the lease:
//     it has read by quorum that the pod is its own, and has written to it. So a
//     deletion that was decided before misses its precondition.
//  5. A node that the API does not answer may be vouched for by a majority of its
//     members, itself included, all in one round, counted from before it began. While
//     a change of the members is under way, a majority of the old and of the new.
//  6. A member that refused a node an epoch never vouches for that epoch again. One
//     that was restarted vouches for nobody before it has read all leases by quorum,
//     and counts as having vouched for everybody at its start.
//  7. A judge that starts, or was blind, takes every lease to be renewed just now.
//  8. The judge closes a lease after Close without a renewal. It fences it when the rest
//     of Wait has passed since it has seen it closed, so many members refuse that no
//     majority can vouch, and what they vouched for before has surely run out.
//  9. First Fenced is committed; only then are pods deleted, each as it was read
//     before the lease was read as Fenced (UID and resourceVersion). A pod may ask that
//     its node be fenced for some time first; the judge that acts must have seen that.
//  10. The keeper's own death ends in the pets' death: a second process stops them
//     at the Deadline, for as long as it is past. A watchdog, where there is one, is fed by a
//     renewal, or when no pet runs.
//  11. When more than half of the nodes seem lost, nobody is closed or fenced. Half is
//     also what rule 8 can bear: with more members gone, no fencing could be finished.
//
// A holder that finds its lease Closing while it still runs takes it back, with a
// new epoch and without stopping anything: the judge's next write then misses its
// precondition. So an outage that ends, or a judge that holds back, costs no pet.
//
// # How this is shown
//
// The tests follow the rules. TestSimulation plays random histories of clusters with
// these very keepers, members and judges (`make sim`); TestBrokenRules shows that it
// finds what is wrong when a rule is not kept. model/ has the protocol for spin, which
// goes through all histories of three nodes and finds one for each rule that is broken
// (`make model`).
//
// # What the rules do not reach
//
// A machine that is suspended and wakes after its term stops its pets within
// Terms.Stop of waking; instructions that they execute until then cannot be taken
// back by software on that machine. A network disk was detached by then, so they
// change no data. Deleting a Lease object by hand says that the machine is gone for
// good: make sure that it is.
package fence
