package network

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// onHost calls do on a host's network; nil is the machine.
func onHost(t *testing.T, h *Host, do func() error) {
	t.Helper()
	if h == nil {
		must(t, do())
		return
	}
	must(t, Within(h.Name(), do))
}

// addressOf has port 0: any that is free.
func addressOf(n *Network, h *Host) string {
	if h == nil {
		return n.Machine().String() + ":0"
	}
	return h.IP().String() + ":0"
}

// mailbox is a UDP socket on a host.
func mailbox(t *testing.T, n *Network, h *Host) (box net.PacketConn) {
	t.Helper()
	onHost(t, h, func() (err error) { box, err = net.ListenPacket("udp4", addressOf(n, h)); return err })
	t.Cleanup(func() { box.Close() })
	return box
}

// arrivals has everybody send letters to everybody, some times, and returns who got
// one from whom: a row for each sender, x where a letter arrived.
func arrivals(boxes []net.PacketConn) []string {
	end := time.Now().Add(250 * time.Millisecond)
	letter := []byte(end.String())
	rows := make([][]byte, len(boxes))
	for i := range rows {
		rows[i] = bytes.Repeat([]byte("-"), len(boxes))
	}
	var readers sync.WaitGroup
	for j, box := range boxes {
		_ = box.SetReadDeadline(end)
		readers.Go(func() {
			for buffer := make([]byte, 1000); ; {
				n, from, err := box.ReadFrom(buffer)
				if err != nil {
					return
				}
				i := slices.IndexFunc(boxes, func(b net.PacketConn) bool { return b.LocalAddr().String() == from.String() })
				if i >= 0 && bytes.Equal(buffer[:n], letter) { // not one of before
					rows[i][j] = 'x'
				}
			}
		})
	}
	for time.Until(end) > 50*time.Millisecond {
		for i, from := range boxes {
			for j, to := range boxes {
				if i != j {
					_, _ = from.WriteTo(letter, to.LocalAddr()) // an unreachable host is an error at times
				}
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	readers.Wait()
	var result []string
	for _, row := range rows {
		result = append(result, string(row))
	}
	return result
}

// reaches asks the kernel of a host for a connection to a port that nobody serves:
// a kernel that is reached refuses.
func reaches(t *testing.T, from, to *Host) bool {
	t.Helper()
	var err error
	onHost(t, from, func() error {
		var connection net.Conn
		if connection, err = net.DialTimeout("tcp", to.IP().String()+":9", 300*time.Millisecond); err == nil {
			connection.Close()
		}
		return nil
	})
	return err == nil || errors.Is(err, unix.ECONNREFUSED)
}

// soonReaches gives a host time to ask again for a hardware address.
func soonReaches(t *testing.T, from, to *Host) {
	t.Helper()
	if err := poll(5*time.Second, func() (bool, error) { return reaches(t, from, to), nil }); err != nil {
		t.Errorf("%s does not answer: %v", to.Name(), err)
	}
}

func TestLinks(t *testing.T) {
	n := newNetwork(t, Options{Hosts: 3})
	everybody := []*Host{nil, n.Hosts[0], n.Hosts[1], n.Hosts[2]}
	boxes := make([]net.PacketConn, len(everybody))
	for i, h := range everybody {
		boxes[i] = mailbox(t, n, h)
	}
	expect := func(what string, want ...string) {
		t.Helper()
		if got := arrivals(boxes); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	one, two, three := n.Hosts[0], n.Hosts[1], n.Hosts[2]
	expect("at first", "-xxx", "x-xx", "xx-x", "xxx-")
	must(t, n.Cut(one, two))
	expect("one way", "-xxx", "x--x", "xx-x", "xxx-")
	must(t, n.Cut(nil, three))
	if cuts := must1(t, n.Cuts); !slices.Contains(cuts, [2]*Host{one, two}) || !slices.Contains(cuts, [2]*Host{nil, three}) || len(cuts) != 2 {
		t.Errorf("cut are %v", cuts)
	}
	must(t, n.Cut(two, one))
	expect("both ways, and one from the machine", "-xx-", "x--x", "x--x", "xxx-")
	must(t, n.Mend(one, two))
	must(t, n.Mend(one, two)) // it is whole, and stays so
	expect("one way mended", "-xx-", "x-xx", "x--x", "xxx-")
	must(t, n.MendAll())
	must(t, n.Partition([]*Host{nil, one}))
	expect("two sides", "-x--", "x---", "---x", "--x-")
	must(t, n.MendAll())
	must(t, n.Isolate(two))
	expect("one alone", "-x-x", "x--x", "----", "xx--")
	must(t, n.MendAll())
	expect("mended", "-xxx", "x-xx", "xx-x", "xxx-")
}

func TestSlow(t *testing.T) {
	n := newNetwork(t, Options{Hosts: 2})
	one, two := n.Hosts[0], n.Hosts[1]
	slow := func(delay time.Duration, loss float64) {
		wire, err := one.Slow(delay, loss)
		must(t, err)
		ended := make(chan error, 1)
		go func() { ended <- wire.Run() }()
		t.Cleanup(func() {
			must(t, one.Speed())
			must(t, <-ended)
		})
	}
	slow(30*time.Millisecond, 0)
	if !reaches(t, two, one) { // and has learnt its hardware address
		t.Fatal("a slow cable carries nothing")
	}
	begin := time.Now()
	if !reaches(t, two, one) || time.Since(begin) < 60*time.Millisecond {
		t.Errorf("there and back takes %s", time.Since(begin))
	}
	must(t, n.Cut(one, two))
	if reaches(t, two, one) {
		t.Error("a bad cable gets around a cut")
	}
	must(t, n.MendAll())
	copies(t, n, one, two)
	slow(0, 0.05)
	copies(t, n, one, two)
	slow(0, 1)
	if reaches(t, two, one) {
		t.Error("a cable that loses everything carries something")
	}
	must(t, one.Speed())
	begin = time.Now()
	if !reaches(t, two, one) || time.Since(begin) > 30*time.Millisecond {
		t.Errorf("with a good cable it takes %s", time.Since(begin))
	}
	if _, err := one.Slow(time.Hour, 0); err == nil {
		t.Error("a delay of an hour is taken")
	}
}

// copies sends a megabyte in large pieces, which the kernel leaves to devices to cut.
func copies(t *testing.T, n *Network, from, to *Host) {
	t.Helper()
	var listener net.Listener
	onHost(t, to, func() (err error) { listener, err = net.Listen("tcp4", addressOf(n, to)); return err })
	defer listener.Close()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	go func() {
		_ = Within(from.Name(), func() error {
			connection, err := net.Dial("tcp", listener.Addr().String())
			if err == nil {
				_, err = connection.Write(sent)
				connection.Close()
			}
			return err
		})
	}()
	connection, err := listener.Accept()
	must(t, err)
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(20 * time.Second))
	if got, err := io.ReadAll(connection); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("of %d bytes %d came through (%v)", len(sent), len(got), err)
	}
}
