package network

import (
	"fmt"
	"os"
)

// Ports are known to the rules by the group of their device: a host's is its index,
// whatever the device is called.
const (
	machinesGroup = 250
	bridge        = "switch"
)

const rules = `
table bridge faults {
	set silent { type devgroup; }
	set cut { type devgroup . devgroup; }
	chain forward {
		type filter hook forward priority 0; policy accept;
		meta iifgroup @silent drop
		meta oifgroup @silent drop
		meta iifgroup . meta oifgroup @cut drop
	}
}
`

func (n *Network) switchName() string { return n.Name + "-switch" }

// cable is the machine's end of its own cable.
func (n *Network) cable() string { return fmt.Sprintf("mstnet%d", n.Number) }

func (n *Network) makeSwitch() error {
	for _, command := range []string{
		"ip netns add " + n.switchName(),
		"ip -n " + n.switchName() + " link add " + bridge + " type bridge",
		"ip -n " + n.switchName() + " link set " + bridge + " up",
		"ip link add " + n.cable() + " type veth peer name machine netns " + n.switchName(),
		"ip address add " + n.Machine().String() + "/24 dev " + n.cable(),
		"ip link set " + n.cable() + " up",
		"ip -n " + n.switchName() + " link set machine group " + fmt.Sprint(machinesGroup),
		"ip -n " + n.switchName() + " link set machine master " + bridge + " up",
	} {
		if err := run(command); err != nil {
			return err
		}
	}
	return n.rule(rules)
}

func (n *Network) removeSwitch() error {
	if exists("/sys/class/net/" + n.cable()) {
		if err := run("ip link delete " + n.cable()); err != nil {
			return err
		}
	}
	return removeNamespace(n.switchName())
}

// removeNamespace removes a network namespace by its name, if it is there.
func removeNamespace(name string) error {
	if !exists("/run/netns/" + name) {
		return nil
	}
	return run("ip netns delete " + name)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
