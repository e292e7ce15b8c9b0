package chaos

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/internal/fence"
	"github.com/mainstay-io/mainstay/test/hosts"
)

// disturbance is what no pet may notice; h is the machine of the pet.
type disturbance struct {
	name string
	do   func(t *testing.T, c *cluster, h *hosts.Host)
}

var disturbances = []disturbance{
	{"the engine is killed and started again", func(t *testing.T, _ *cluster, h *hosts.Host) {
		h.KillEngine(t)
		h.Mainstay(t, "up")
	}},
	{"the engine is stopped and started again", func(t *testing.T, _ *cluster, h *hosts.Host) {
		stopEngine(t, h)
		h.Mainstay(t, "up")
	}},
	{"the control plane is away", func(t *testing.T, c *cluster, _ *hosts.Host) {
		c.server.KillEngine(t)
		time.Sleep(*outage)
		c.server.Mainstay(t, "up")
	}},
	{"a renewal is lost", func(t *testing.T, c *cluster, h *hosts.Host) {
		must(t, c.Isolate(h.Virtual))
		time.Sleep(fence.DefaultTerms().Renew)
		must(t, c.MendAll())
	}},
	{"the wall clock of the node steps by an hour", func(t *testing.T, c *cluster, h *hosts.Host) {
		stepClock(t, c, h, h, time.Hour, -time.Hour, 0)
	}},
	{"the wall clock of the server steps by an hour", func(t *testing.T, c *cluster, h *hosts.Host) {
		// Not to an hour ago: a cluster so young has certificates that were not valid then.
		stepClock(t, c, h, c.server, time.Hour, 0)
	}},
	{"the node is paused for less than its lease", func(t *testing.T, _ *cluster, h *hosts.Host) {
		begun := time.Now()
		must(t, h.Virtual.Pause()) // takes a second of it where a process waits for a disk
		time.Sleep(time.Until(begun.Add(2 * time.Second)))
		must(t, h.Virtual.Resume())
	}},
}

// tryDisturbances does what is no loss of a node: the pet runs on, as the process that
// it was, and nobody is fenced.
func (c *cluster) tryDisturbances(t *testing.T) {
	for _, d := range disturbances {
		whole := t.Run(d.name, func(t *testing.T) {
			before, h := c.pet(t, petPod)
			c.waitMember(t, h)
			must(t, os.Truncate(c.beats, 0)) // the pet appends
			c.watch(t)
			d.do(t, c, h)
			for _, h := range c.Hosts {
				c.waitMember(t, h)
			}
			after, _ := c.pet(t, petPod)
			one, other := before.Status.ContainerStatuses[0], after.Status.ContainerStatuses[0]
			if before.UID != after.UID || one.ContainerID != other.ContainerID || one.RestartCount != other.RestartCount {
				t.Errorf("the pet is another: %s %s, restarted %d times; it was %s %s, %d times", after.UID, other.ContainerID, other.RestartCount,
					before.UID, one.ContainerID, one.RestartCount)
			}
			c.checkOneLife(t)
			for _, e := range c.story.soFar() {
				// The server has no pets; it gives its own node up while its engine is away.
				if e.step == fenced && e.node != c.server.Name {
					t.Errorf("%s was fenced", e.node)
				}
			}
			c.client.check(t)
		})
		if !whole {
			return // the cluster is not what it was
		}
	}
}

// checkOneLife fails the test if the pet is another process, or none.
func (c *cluster) checkOneLife(t *testing.T) {
	t.Helper()
	done := now()
	var lives []life
	hosts.Eventually(t, time.Second, func(context.Context) (err error) {
		if lives, err = readLives(c.beats); err == nil && (len(lives) == 0 || lives[len(lives)-1].last < done) {
			err = errors.New("no pet runs")
		}
		return err
	})
	if len(lives) > 1 {
		t.Errorf("the pet was %d processes", len(lives))
	}
	t.Logf("the pet stood still for %s at most", round(lives[0].stood))
}

// stepClock sets the clock of a machine ahead of the right time, and waits each time until
// the pet's node has been renewing its lease for longer than the lease lasts.
func stepClock(t *testing.T, c *cluster, pets, stepped *hosts.Host, aheads ...time.Duration) {
	t.Helper()
	for _, ahead := range aheads {
		must(t, stepped.Virtual.StepClock(ahead))
		for begun := time.Now(); time.Since(begun) < fence.DefaultTerms().Wait; {
			c.waitMember(t, pets)
		}
	}
}

// stopEngine stops the engine as an upgrade does; pods run on.
func stopEngine(t *testing.T, h *hosts.Host) {
	t.Helper()
	pid := h.EnginePID(t)
	must(t, syscall.Kill(pid, syscall.SIGTERM))
	hosts.Eventually(t, 10*time.Second, func(context.Context) error {
		if syscall.Kill(pid, 0) == nil {
			return errors.New("the engine has not ended")
		}
		return nil
	})
}
