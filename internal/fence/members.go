package fence

import "slices"

// Members are the nodes of which a majority may vouch for one of them: sorted, and
// itself among them.
type Members []string

// MembersOf puts the names of the cluster's nodes in the order in which they are
// committed.
func MembersOf(nodes []string) Members {
	sorted := slices.Clone(nodes)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}

// MembersFor gives the members that a node commits: itself, and all who have leases, for
// their keepers work. A node that sees no lease but its own takes all nodes of the
// cluster, whose keepers are about to start: while it has no member but itself, it vouches
// for itself, and nobody can fence it.
func MembersFor(node string, leases []Lease, nodes []string) Members {
	names := []string{node}
	for _, lease := range leases {
		names = append(names, lease.Node)
	}
	if members := MembersOf(names); len(members) > 1 {
		return members
	}
	return MembersOf(append(names, nodes...))
}

// Others are those that can be asked about a node: all but itself.
func (m Members) Others(node string) []string {
	return slices.DeleteFunc(slices.Clone(m), func(name string) bool { return name == node })
}

// vouch: with the voices of these others, a majority vouches for the node. Its own
// voice is one of them.
func (m Members) vouch(node string, others map[string]bool) bool {
	voices := 1
	for _, other := range m.Others(node) {
		if others[other] {
			voices++
		}
	}
	return voices > len(m)/2
}

// refusalsNeeded: when so many others refuse, those that are left are no majority
// with the node's own voice. More than half of the members must live for that. A
// node that is alone has nobody to refuse it, and is never fenced.
func (m Members) refusalsNeeded() int { return len(m) - len(m)/2 }

func (m Members) valid(node string) bool {
	return slices.Contains(m, node) && slices.Equal(m, MembersOf(m)) && !slices.Contains(m, "")
}
