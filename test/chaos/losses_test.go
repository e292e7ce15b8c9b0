package chaos

import (
	"errors"
	"testing"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// loss is a way to lose a node, and how it comes back.
type loss struct {
	name   string
	strike func(*testing.T, *cluster, *hosts.Host)
	end    func(*testing.T, *cluster, *hosts.Host)
}

var losses = []loss{
	{"power", powerOff, powerOn},
	{"network", func(t *testing.T, c *cluster, h *hosts.Host) { must(t, c.Isolate(h.Virtual)) }, mend},
	{"engine", func(t *testing.T, _ *cluster, h *hosts.Host) { h.KillEngine(t) }, up},
	{"hang", func(t *testing.T, _ *cluster, h *hosts.Host) { must(t, h.Virtual.Pause()) },
		func(t *testing.T, _ *cluster, h *hosts.Host) { must(t, h.Virtual.Resume()) }},
	{"network and disk", func(t *testing.T, c *cluster, h *hosts.Host) {
		must(t, errors.Join(c.Isolate(h.Virtual), h.Virtual.HangDisk()))
	}, func(t *testing.T, c *cluster, h *hosts.Host) {
		must(t, errors.Join(h.Virtual.MendDisk(), c.MendAll()))
	}},
	{"cable to the server", func(t *testing.T, c *cluster, h *hosts.Host) {
		must(t, errors.Join(c.Cut(h.Virtual, c.server.Virtual), c.Cut(c.server.Virtual, h.Virtual)))
	}, mend},
}

func powerOff(t *testing.T, _ *cluster, h *hosts.Host) { must(t, h.Virtual.PowerOff()) }

func powerOn(t *testing.T, c *cluster, h *hosts.Host) {
	must(t, h.Virtual.PowerOn())
	c.startDriver(h)
	up(t, c, h)
}

func mend(t *testing.T, c *cluster, _ *hosts.Host) { must(t, c.MendAll()) }

func up(t *testing.T, _ *cluster, h *hosts.Host) { h.Mainstay(t, "up") }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
