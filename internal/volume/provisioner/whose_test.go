package provisioner

import "testing"

// The rules in their order.
func TestWhoseTurn(t *testing.T) {
	const a, b = "a", "b"
	for _, c := range []struct {
		why                  string
		selected, sourceNode string
		bindsAtOnce          bool
		want                 turn
	}{
		{"the scheduler sends a pod here, the source is elsewhere", a, b, false, turnGive},
		{"it was taken here before its source was known", a, b, true, turnGive},
		{"the scheduler sends a pod here, the source is here", a, a, false, turnProvision},
		{"the scheduler sends a pod here, the source is not known: its user must be told", a, "", false, turnProvision},
		{"another node has it", b, a, true, turnNone},
		{"it waits for a pod", "", a, false, turnNone},
		{"no node has it, the source is elsewhere", "", b, true, turnNone},
		{"no node has it, the source is here", "", a, true, turnTake},
		{"no node has it, the source is not known", "", "", true, turnTake},
	} {
		if got := whoseTurn(a, c.selected, c.sourceNode, c.bindsAtOnce); got != c.want {
			t.Errorf("%s: %s, want %s", c.why, got, c.want)
		}
	}
}

// A claim never goes round: whoever has it, at most two nodes write to it, and
// then the node of its source has it for good.
func TestClaimsDoNotGoRound(t *testing.T) {
	nodes := []string{"a", "b", "c"}
	for _, sourceNode := range nodes {
		for _, selected := range append(nodes, "") {
			for writes := 0; ; writes++ {
				next := selected
				for _, node := range nodes {
					switch whoseTurn(node, selected, sourceNode, true) {
					case turnGive:
						next = sourceNode
					case turnTake:
						next = node
					}
				}
				if next == selected {
					break
				}
				if selected = next; writes == 2 {
					t.Fatalf("the claim goes round: it is with %s, its source with %s", selected, sourceNode)
				}
			}
			if selected != sourceNode || whoseTurn(selected, selected, sourceNode, true) != turnProvision {
				t.Errorf("the claim ends with %s, its source is with %s", selected, sourceNode)
			}
		}
	}
}
