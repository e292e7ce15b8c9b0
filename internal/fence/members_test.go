package fence

import (
	"fmt"
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

// Half of the members may be gone, rounded down, and the rest can still fence them.
func TestHalfCanBeFenced(t *testing.T) {
	for n := 2; n <= 9; n++ {
		members := make(Members, n)
		if alive := n - n/2; alive < members.refusalsNeeded() {
			t.Errorf("%d of %d members live, and %d must refuse", alive, n, members.refusalsNeeded())
		}
	}
}
