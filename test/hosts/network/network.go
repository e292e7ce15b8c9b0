// Package network makes several machines on one kernel, and breaks them.
//
// A Host has namespaces of its own for its network, mounts, cgroups, name and shared
// memory, a cgroup that holds everything that was ever started on it, and a disk. What
// runs on it sees a machine of its own; users, process IDs, loop devices and the
// kernel's clock are those of the real machine.
//
// The hosts of a Network and the machine itself hang on one switch: a bridge in a
// network namespace that has no address, so that nothing but the switch decides what
// gets through. Cut, Slow and Pause work there, PowerOff on all of a host.
//
// Nothing is remembered in this process: a Network is what the kernel has and a
// directory, so that one process may make it and another break it. A Network is not
// for use by two at once. All of it needs root.
package network

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"

	"golang.org/x/sys/unix"
)

// Root holds a directory for each network. Disks lie here, and scripts
// that root runs: nobody else may write above it.
const Root = "/srv/mainstay-hosts"

// MaxHosts is how many hosts a network may have.
const MaxHosts = 200

// Network is a switch with hosts.
type Network struct {
	// Name is short: the hosts are called NAME-1, NAME-2 and so on, their network
	// namespaces and cgroups too.
	Name string
	// Number tells networks of one machine apart, 1 to 250: their addresses are
	// 198.19.NUMBER.0/24, of the range that RFC 2544 sets aside for tests.
	Number int
	Hosts  []*Host
}

// Options say what the hosts of a network are like.
type Options struct {
	Hosts int
	// DiskBytes is the size of each host's disk. It takes only the space that is
	// written. With 0 the data directories are the machine's own: then nothing is
	// lost with the power, and nothing can be filled.
	DiskBytes int64
}

var nameRule = regexp.MustCompile(`^[a-z][a-z0-9]{0,9}$`) // names of devices are short

// New makes a network whose hosts have power. What a network of that name left, say
// of a test that was killed, it removes first.
func New(name string, number int, options Options) (*Network, error) {
	switch {
	case !nameRule.MatchString(name):
		return nil, fmt.Errorf("a network cannot be called %q: take a lower case letter, then at most 9 letters and digits", name)
	case number < 1 || number > 250:
		return nil, fmt.Errorf("a network's number is 1 to 250, not %d", number)
	case options.Hosts < 1 || options.Hosts > MaxHosts:
		return nil, fmt.Errorf("a network has 1 to %d hosts, not %d", MaxHosts, options.Hosts)
	case options.DiskBytes != 0 && options.DiskBytes < minDisk:
		return nil, fmt.Errorf("a host's disk has at least %d MiB, not %d bytes", minDisk>>20, options.DiskBytes)
	case os.Geteuid() != 0:
		return nil, errors.New("only root can make network namespaces: try again as root")
	}
	n := &Network{Name: name, Number: number}
	for i := range options.Hosts {
		n.Hosts = append(n.Hosts, &Host{Index: i + 1, DiskBytes: options.DiskBytes, network: n})
	}
	if old, err := Open(name); err == nil {
		if err := old.Remove(); err != nil {
			return nil, fmt.Errorf("remove what an earlier network %s left: %w", name, err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := n.make(); err != nil {
		return nil, errors.Join(fmt.Errorf("make network %s: %w", name, err), n.Remove())
	}
	return n, nil
}

func (n *Network) make() error {
	if err := os.MkdirAll(n.dir(), 0o700); err != nil {
		return err
	}
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	if err := os.WriteFile(n.file(), text, 0o600); err != nil {
		return err
	}
	// Mount namespaces can only be kept on a mount that is private.
	if err := unix.Mount(n.dir(), n.dir(), "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s on itself: %w", n.dir(), err)
	}
	if err := unix.Mount("", n.dir(), "", unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mount %s private: %w", n.dir(), err)
	}
	if err := n.makeSwitch(); err != nil {
		return err
	}
	for _, h := range n.Hosts {
		if err := h.PowerOn(); err != nil {
			return err
		}
	}
	return nil
}

// Open finds a network that was made before. The error is fs.ErrNotExist where
// there is none.
func Open(name string) (*Network, error) {
	n := &Network{Name: name}
	text, err := os.ReadFile(n.file())
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, n); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", n.file(), err)
	}
	for _, h := range n.Hosts {
		h.network = n
	}
	return n, nil
}

// Remove cuts the power of all hosts and removes everything, their disks included.
func (n *Network) Remove() error {
	for _, h := range n.Hosts {
		if err := h.PowerOff(); err != nil {
			return err
		}
	}
	if err := n.removeSwitch(); err != nil {
		return err
	}
	if err := unmount(n.dir()); err != nil {
		return err
	}
	return os.RemoveAll(n.dir())
}

// Host finds a host by its name.
func (n *Network) Host(name string) (*Host, error) {
	for _, h := range n.Hosts {
		if h.Name() == name {
			return h, nil
		}
	}
	return nil, fmt.Errorf("there is no host %q: there are %s-1 to %s-%d", name, n.Name, n.Name, len(n.Hosts))
}

// Machine is the real machine's address on the network.
func (n *Network) Machine() net.IP { return n.address(1) }

func (n *Network) address(last int) net.IP { return net.IPv4(198, 19, byte(n.Number), byte(last)) }

func (n *Network) dir() string { return filepath.Join(Root, n.Name) }

func (n *Network) file() string { return filepath.Join(n.dir(), "network.json") }
