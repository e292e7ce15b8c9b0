package network

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
)

// Host is one machine of a network.
type Host struct {
	Index     int // 1 and up
	DiskBytes int64

	network *Network
}

// Name is the host's name, and that of its network namespace and cgroups.
func (h *Host) Name() string { return fmt.Sprintf("%s-%d", h.network.Name, h.Index) }

// IP is the host's address.
func (h *Host) IP() net.IP { return h.network.address(10 + h.Index) }

// DataDir is the host's disk: what keeps its content when the power is cut. It has
// the same path on the host and on the machine.
func (h *Host) DataDir() string { return filepath.Join(h.dir(), "data") }

// Enter is the script that runs a program on the host: it takes the program and its
// arguments, and without any starts a shell.
func (h *Host) Enter() string { return filepath.Join(h.dir(), "enter") }

// Run prepares a program to run on the host. It fails where the host has no power.
func (h *Host) Run(program string, arguments ...string) *exec.Cmd {
	return exec.Command(h.Enter(), append([]string{program}, arguments...)...)
}

// On tells whether the host has power.
func (h *Host) On() bool { return exists(h.Enter()) }

// PowerOn starts a host as it is after a reboot: its disk as it was, nothing else.
func (h *Host) PowerOn() error {
	if h.On() {
		return nil
	}
	// A power cut or a start that was killed half way may have left something.
	if err := h.PowerOff(); err != nil {
		return err
	}
	if err := h.powerOn(); err != nil {
		return fmt.Errorf("power on %s: %w", h.Name(), err)
	}
	return nil
}

func (h *Host) powerOn() error {
	if err := os.MkdirAll(h.DataDir(), 0o700); err != nil {
		return err
	}
	if err := h.mountDisk(); err != nil {
		return err
	}
	if err := h.connect(); err != nil {
		return err
	}
	return h.boot()
}

// port is the name of the host's port at the switch.
func (h *Host) port() string { return fmt.Sprintf("host%d", h.Index) }

// connect makes the host's network and plugs it into the switch.
func (h *Host) connect() error {
	inSwitch, inHost := "ip -n "+h.network.switchName(), "ip -n "+h.Name()
	for _, command := range []string{
		"ip netns add " + h.Name(),
		inSwitch + " link add " + h.port() + " group " + fmt.Sprint(group(h)) + " type veth peer name eth0 netns " + h.Name(),
		inSwitch + " link set " + h.port() + " master " + bridge + " up",
		inHost + " link set lo up",
		// The same address after a reboot: others have it in their tables.
		inHost + " link set eth0 address " + fmt.Sprintf("02:00:c6:13:%02x:%02x", h.network.Number, h.Index),
		inHost + " address add " + h.IP().String() + "/24 dev eth0",
		inHost + " link set eth0 up",
		inHost + " route add default via " + h.network.Machine().String(),
	} {
		if err := run(command); err != nil {
			return err
		}
	}
	return nil
}

func (h *Host) dir() string { return filepath.Join(h.network.dir(), h.Name()) }

// Network is the one that the host is in.
func (h *Host) Network() *Network { return h.network }

// State tells people how the host is: a word or two.
func (h *Host) State() []string {
	if !h.On() {
		return []string{"off"}
	}
	state := []string{"on"}
	if h.paused() {
		state = []string{"paused"}
	}
	if exists(h.filler()) {
		state = append(state, "disk full")
	}
	if h.slowed() {
		state = append(state, "bad cable")
	}
	return state
}
