package agent

import (
	"maps"
	"slices"

	"github.com/mainstay-io/mainstay/internal/fence"
)

// losses are the nodes whose leases are not open, and what this judge remembers of each.
type losses map[string]*loss

// loss is one of them. It is forgotten when the node has a lease again.
type loss struct {
	node string
	// seen: when this judge saw first that the lease is not open.
	seen fence.Instant
	// epoch is the lease's; what follows belongs to it.
	epoch int32
	// next is when to look again for what is to be taken.
	next fence.Instant
	// attached are the volumes that were seen attached to the fenced node, by the
	// names of their VolumeAttachments.
	attached map[string]fence.Attached
}

func (l losses) of(lease fence.Lease, at fence.Instant) *loss {
	if l[lease.Node] == nil {
		l[lease.Node] = &loss{node: lease.Node, seen: at}
	}
	if of := l[lease.Node]; of.epoch != lease.Epoch {
		of.epoch, of.next, of.attached = lease.Epoch, 0, map[string]fence.Attached{}
	}
	return l[lease.Node]
}

// follow forgets nodes that have leases again, or are gone, and begins with those that
// have lost theirs.
func (l losses) follow(leases []fence.Lease, at fence.Instant) {
	lost := map[string]bool{}
	for _, lease := range leases {
		if lease.State != fence.Open {
			lost[lease.Node] = true
			l.of(lease, at)
		}
	}
	maps.DeleteFunc(l, func(node string, _ *loss) bool { return !lost[node] })
}

// release takes in what is attached now, and returns what was before and is no more.
func (l *loss) release(now []fence.Attached) (gone []fence.Attached) {
	before := l.attached
	l.attached = map[string]fence.Attached{}
	for _, a := range now {
		l.attached[a.Name] = a
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, still := l.attached[name]; !still {
			gone = append(gone, before[name])
		}
	}
	return gone
}
