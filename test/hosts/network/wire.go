package network

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// Wire is a bad cable between a host and the switch. Kernels without sch_netem have
// no means to delay a packet, so a program does: it takes the frames from one end and
// gives them to the other, later or not at all.
type Wire struct {
	delay time.Duration
	loss  float64
	ends  [2]*os.File
}

// Slow replaces the host's cable by a bad one, which works while Run runs. Every
// frame takes the delay, in each direction; a share of them, 0 to 1, is lost.
func (h *Host) Slow(delay time.Duration, loss float64) (*Wire, error) {
	switch {
	case delay < 0 || delay > time.Minute:
		return nil, fmt.Errorf("a cable delays by 0 to 1 minute, not %s", delay)
	case loss < 0 || loss > 1:
		return nil, fmt.Errorf("a cable loses a share of 0 to 1, not %v", loss)
	case !h.On():
		return nil, fmt.Errorf("%s has no power", h.Name())
	}
	if err := h.Speed(); err != nil {
		return nil, err
	}
	inSwitch := "ip -n " + h.network.switchName()
	for _, command := range []string{
		inSwitch + " link set " + h.port() + " nomaster",
		inSwitch + " link add " + h.port() + "-a group " + fmt.Sprint(group(h)) + " type veth peer name " + h.port() + "-b",
		inSwitch + " link set " + h.port() + "-b up",
		inSwitch + " link set " + h.port() + "-a master " + bridge + " up",
	} {
		if err := run(command); err != nil {
			return nil, err
		}
	}
	w := &Wire{delay: delay, loss: loss}
	err := Within(h.network.switchName(), func() (err error) {
		for i, device := range []string{h.port(), h.port() + "-b"} {
			if w.ends[i], err = openDevice(device); err != nil {
				return fmt.Errorf("open %s: %w", device, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, h.Speed())
	}
	return w, nil
}

// Speed gives the host its good cable back; a Wire's Run then ends.
func (h *Host) Speed() error {
	inSwitch := "ip -n " + h.network.switchName()
	if !h.slowed() {
		return nil
	}
	if err := run(inSwitch + " link delete " + h.port() + "-a"); err != nil {
		return err
	}
	return run(inSwitch + " link set " + h.port() + " master " + bridge)
}

func (h *Host) slowed() bool {
	return run("ip -n "+h.network.switchName()+" link show "+h.port()+"-a") == nil
}

// openDevice opens a socket for all frames that come in at a device.
func openDevice(name string) (*os.File, error) {
	device, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	everything := uint16(unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8) // in the network's byte order
	socket, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(socket), name)
	err = errors.Join(
		// Large frames and open checksums are for the other end as they are for this one.
		unix.SetsockoptInt(socket, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1),
		unix.SetsockoptInt(socket, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.Bind(socket, &unix.SockaddrLinklayer{Protocol: everything, Ifindex: device.Index}),
	)
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// Run carries frames until the host has its good cable back, or no power.
func (w *Wire) Run() error {
	var group errgroup.Group
	for i := range w.ends {
		group.Go(func() error { return w.carry(w.ends[i], w.ends[1-i]) })
	}
	err := group.Wait()
	if errors.Is(err, unix.ENETDOWN) || errors.Is(err, os.ErrClosed) || errors.Is(err, unix.ENXIO) {
		return nil // the cable is gone
	}
	return err
}

type frame struct {
	due     time.Time
	content []byte
}

func (w *Wire) carry(from, to *os.File) error {
	defer to.Close() // the other direction ends as well
	queue := make(chan frame, 4096)
	defer close(queue)
	go func() {
		for f := range queue {
			time.Sleep(time.Until(f.due))
			_, _ = to.Write(f.content) // a frame that does not get through is lost
		}
	}()
	buffer := make([]byte, 1<<17)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return err
		}
		if rand.Float64() < w.loss {
			continue
		}
		select {
		case queue <- frame{time.Now().Add(w.delay), append([]byte(nil), buffer[:n]...)}:
		default: // as a switch whose buffer is full
		}
	}
}
