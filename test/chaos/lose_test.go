package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/internal/fence"
	"github.com/mainstay-io/mainstay/test/hosts"
)

// outcome is what came of a loss. All times count from the loss.
type outcome struct {
	lost time.Duration // CLOCK_BOOTTIME
	// back is when the fault ended.
	back time.Duration
	// took has the steps of the failover; none where the node was back before.
	took map[step]time.Duration
	// answered is when the client next got something acknowledged.
	answered time.Duration
	// woke is how long a pet still ran that woke when its node was resumed.
	woke time.Duration
}

// promised is how long a pet may be away.
const promised = 10 * time.Second

// settled is how long after the pet is back its lost node returns at the latest: later
// is no different.
const settled = time.Second

// lose loses the node of a pet, for so long or until the pet is elsewhere, and waits
// until all is as before. It fails the test if two nodes had one disk.
func (c *cluster) lose(t *testing.T, pet string, l loss, most time.Duration) outcome {
	t.Helper()
	for _, h := range c.nodes {
		c.waitMember(t, h)
	}
	pod, h := c.pet(t, pet)
	c.watch(t)
	lost := now()
	l.strike(t, c, h)
	c.waitElsewhere(t, pod, lost+most)
	o := outcome{lost: lost, back: now() - lost}
	l.end(t, c, h)
	c.waitMember(t, h)
	if after, _ := c.pet(t, pet); after.UID != pod.UID {
		hosts.Eventually(t, 10*time.Second, func(context.Context) error { // the watch may tell later than the API
			if o.took = failover(c.story.soFar(), lost, h.Name, pod); o.took[ready] == 0 {
				return fmt.Errorf("what was seen of %s elsewhere is %v", pet, o.took)
			}
			return nil
		})
	}
	c.disks.Record(t)
	return o
}

// waitElsewhere waits until another pod of the pet was Ready for a while, but not
// longer than until a time.
func (c *cluster) waitElsewhere(t *testing.T, old *core.Pod, until time.Duration) {
	t.Helper()
	hosts.Eventually(t, time.Minute, func(context.Context) error {
		for _, e := range c.story.soFar() {
			if e.step == ready && e.name == old.Name && e.pod != old.UID && now() > e.at+settled {
				return nil
			}
		}
		if now() > until {
			return nil
		}
		return errors.New("neither is the pet elsewhere nor the time over")
	})
}

// checkPet fails the test if two pets ran at once, or if an acknowledged number is lost.
// A pet that slept with its machine may run on for as long as it takes to stop it
// (internal/fence/doc.go: what the rules do not reach): how long it was is an outcome.
func (c *cluster) checkPet(t *testing.T, o *outcome) {
	t.Helper()
	hosts.Eventually(t, time.Minute, func(context.Context) error {
		at, err := c.client.since(o.lost + max(o.took[ready], o.took[deleted]))
		o.answered = at - o.lost
		return err
	})
	lives, err := readLives(c.beats)
	must(t, err)
	back := o.lost + o.back
	for _, two := range overlaps(lives) {
		from, to := two.span()
		if from < back || to > back+fence.DefaultTerms().Stop {
			t.Error(two)
		}
		o.woke = max(o.woke, to-back)
	}
	c.client.check(t)
	if o.took[ready] > promised {
		t.Logf("the pet was away for %s; what was told of it:\n%s", round(o.took[ready]), c.told(t))
	}
}

// told gives the events of the pet's namespace, the latest last.
func (c *cluster) told(t *testing.T) string {
	t.Helper()
	events, err := c.api.CoreV1().Events(core.NamespaceDefault).List(t.Context(), meta.ListOptions{})
	must(t, err)
	slices.SortFunc(events.Items, func(a, b core.Event) int { return a.LastTimestamp.Compare(b.LastTimestamp.Time) })
	var text strings.Builder
	for _, e := range events.Items[max(0, len(events.Items)-30):] {
		fmt.Fprintf(&text, "%s %s %s %s (%s)\n", e.LastTimestamp.Format(time.TimeOnly), e.InvolvedObject.Name, e.Reason, e.Message, e.Source.Host)
	}
	return text.String()
}

func (o outcome) String() string {
	if len(o.took) == 0 {
		return fmt.Sprintf("back after %s, before it was fenced; answered again after %s", round(o.back), round(o.answered))
	}
	text := ""
	for _, s := range steps {
		if at, found := o.took[s]; found {
			text += fmt.Sprintf("%s %s, ", s, round(at))
		}
	}
	text += fmt.Sprintf("answered %s; the node was back after %s", round(o.answered), round(o.back))
	if o.woke > 0 {
		text += fmt.Sprintf(", where the pet woke for %s", o.woke)
	}
	return text
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }
