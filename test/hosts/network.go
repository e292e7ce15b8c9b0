package hosts

import (
	"fmt"
	"testing"

	"github.com/mainstay-io/mainstay/test/hosts/network"
)

// Network is several hosts that can be broken: n.Cut(n.Hosts[0].Virtual, ...),
// n.Hosts[0].Virtual.PowerOff().
type Network struct {
	*network.Network
	Hosts []*Host
}

// NewNetwork makes hosts that end with the test, whatever runs on them. Numbers tell
// networks apart: 1 to 199.
func NewNetwork(t testing.TB, number int, options network.Options) *Network {
	t.Helper()
	binary := needs(t)
	made, err := network.New(fmt.Sprintf("test%d", number), number, options)
	if err != nil {
		t.Fatal(err)
	}
	n := &Network{Network: made}
	for _, h := range made.Hosts {
		n.Hosts = append(n.Hosts, &Host{Name: h.Name(), IP: h.IP(), DataDir: h.DataDir(), Virtual: h, binary: binary})
	}
	t.Cleanup(func() {
		for _, h := range n.Hosts {
			if t.Failed() {
				t.Log("on", h.Name)
				h.showLog(t)
			}
		}
		if err := n.Remove(); err != nil {
			t.Error(err)
		}
	})
	return n
}
