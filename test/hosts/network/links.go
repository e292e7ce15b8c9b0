package network

import (
	"encoding/json"
	"fmt"
	"os/exec"
)

// Cut cuts the way from one host to another, as a switch that has a fault: what the
// first sends does not reach the second. nil is the machine that the hosts run on.
// The opposite way stays open. It stays cut when a host loses its power.
func (n *Network) Cut(from, to *Host) error {
	return n.rule(fmt.Sprintf("add element bridge faults cut { %d . %d }", group(from), group(to)))
}

// Mend opens a way that was cut.
func (n *Network) Mend(from, to *Host) error {
	return n.takeOut(fmt.Sprintf("cut { %d . %d }", group(from), group(to)))
}

// MendAll opens all ways that were cut.
func (n *Network) MendAll() error { return n.rule("flush set bridge faults cut") }

// Isolate cuts both ways between a host and everybody else, the machine included:
// its cable is pulled.
func (n *Network) Isolate(h *Host) error { return n.Partition([]*Host{h}) }

// Partition cuts both ways between a side and all that are not in it. nil, the
// machine, may be in it.
func (n *Network) Partition(side []*Host) error {
	inside := map[int]bool{}
	for _, h := range side {
		inside[group(h)] = true
	}
	changes := ""
	for _, a := range append([]*Host{nil}, n.Hosts...) {
		for _, b := range append([]*Host{nil}, n.Hosts...) {
			if inside[group(a)] != inside[group(b)] {
				changes += fmt.Sprintf("add element bridge faults cut { %d . %d }\n", group(a), group(b))
			}
		}
	}
	return n.rule(changes)
}

// Cuts lists the ways that are cut: from whom to whom.
func (n *Network) Cuts() (cuts [][2]*Host, err error) {
	command := exec.Command("nsenter", "--net=/run/netns/"+n.switchName(), "nft", "--json", "list", "set", "bridge", "faults", "cut")
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("ask the switch what is cut: %w", err)
	}
	var answer struct {
		Nftables []struct {
			Set struct {
				Elem []struct{ Concat [2]int }
			}
		}
	}
	if err := json.Unmarshal(output, &answer); err != nil {
		return nil, fmt.Errorf("what nft says of the switch: %w", err)
	}
	hosts := map[int]*Host{}
	for _, h := range n.Hosts {
		hosts[group(h)] = h
	}
	for _, part := range answer.Nftables {
		for _, element := range part.Set.Elem {
			cuts = append(cuts, [2]*Host{hosts[element.Concat[0]], hosts[element.Concat[1]]})
		}
	}
	return cuts, nil
}

// rule changes the rules of the switch, all or nothing.
func (n *Network) rule(change string) error {
	return runWith(change, "nsenter", "--net=/run/netns/"+n.switchName(), "nft", "-f", "-")
}

// takeOut takes an element out of a set of the switch. It is no error if it was not there.
func (n *Network) takeOut(element string) error {
	return n.rule("add element bridge faults " + element + "\ndelete element bridge faults " + element)
}

func group(h *Host) int {
	if h == nil {
		return machinesGroup
	}
	return h.Index
}
