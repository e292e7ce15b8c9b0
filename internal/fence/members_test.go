package fence

import (
	"fmt"
	"slices"
	"testing"
)

// With every number of members, and every set of voices: when enough members
// refuse, those that are left cannot vouch; and with one refusal less they can.
func TestRefusalsMeetVoices(t *testing.T) {
	for n := 1; n <= 9; n++ {
		var names []string
		for i := range n {
			names = append(names, fmt.Sprintf("n%d", i))
		}
		members := MembersOf(names)
		needed := members.refusalsNeeded()
		for bits := range 1 << (n - 1) {
			voices, refusals := map[string]bool{}, 0
			for i, other := range members.Others("n0") {
				voices[other] = bits>>i&1 == 0
				refusals += bits >> i & 1
			}
			if can := members.vouch("n0", voices); can != (refusals < needed) {
				t.Errorf("%d members, %d refuse, %d needed: vouch is %v", n, refusals, needed, can)
			}
		}
	}
}

// Only a node that is alone in its cluster is alone in the fence.
func TestWhoTheMembersAre(t *testing.T) {
	for name, c := range map[string]struct{ leased, nodes, want []string }{
		"a cluster of one":                     {nil, []string{"a"}, []string{"a"}},
		"the others' keepers are not at work":  {nil, []string{"c", "b", "a"}, []string{"a", "b", "c"}},
		"nor do they work when this one's do":  {[]string{"a"}, []string{"c", "b", "a"}, []string{"a", "b", "c"}},
		"a node without a keeper is no member": {[]string{"b"}, []string{"a", "b", "c"}, []string{"a", "b"}},
		"a lease without a Node":               {[]string{"a", "d"}, []string{"a", "b"}, []string{"a", "d"}},
		"no node is known yet, not even it":    {nil, nil, []string{"a"}},
	} {
		var leases []Lease
		for _, node := range c.leased {
			leases = append(leases, Lease{Node: node})
		}
		if members := MembersFor("a", leases, c.nodes); !slices.Equal(members, c.want) {
			t.Errorf("%s: %v", name, members)
		}
	}
}

// Half of the members may be gone, rounded down, and the rest can still fence them.
func TestHalfCanBeFenced(t *testing.T) {
	for n := 2; n <= 9; n++ {
		members := make(Members, n)
		if alive := n - n/2; alive < members.refusalsNeeded() {
			t.Errorf("%d of %d members live, and %d must refuse", alive, n, members.refusalsNeeded())
		}
	}
}
