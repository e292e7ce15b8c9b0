package agent

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/fence"
)

// What is told of a lease that changed, in the order of the rules.
func TestChange(t *testing.T) {
	lease := func(state fence.State, epoch int32, reason string) fence.Lease {
		return fence.Lease{Node: "n1", Record: fence.Record{State: state, Epoch: epoch, Reason: reason}}
	}
	open, closing, fenced := lease(fence.Open, 3, ""), lease(fence.Closing, 3, "silent"), lease(fence.Fenced, 4, "refused")
	for _, test := range []struct {
		name          string
		before, after fence.Lease
		want          string
	}{
		{"renewed", open, open, ""},
		{"closed", open, closing, "LeaseLost: silent"},
		{"fenced", closing, fenced, "Fenced: refused"},
		{"given up by its keeper", open, lease(fence.Fenced, 4, "it leaves"), "Fenced: it leaves"},
		{"fenced again", fenced, lease(fence.Fenced, 6, "again"), "Fenced: again"},
		{"taken back", closing, lease(fence.Open, 4, ""), "LeaseAcquired: node n1 lives, and has taken its lease back (epoch 4)"},
		{"back", fenced, lease(fence.Open, 5, ""), "LeaseAcquired: node n1 takes part again (epoch 5)"},
		{"its lease ran out, and nobody was there to close it", open, lease(fence.Open, 4, ""), "LeaseAcquired: node n1 had stopped its pets, and may run them again (epoch 4)"},
	} {
		got := ""
		if _, reason, message := change(test.before, test.after); reason != "" {
			got = reason + ": " + message
		}
		if got != test.want {
			t.Errorf("%s: %q", test.name, got)
		}
	}
}

func TestMarks(t *testing.T) {
	earlier, at := meta.Unix(1, 0), meta.Unix(2, 0)
	fenced := core.NodeCondition{Type: v1alpha1.NodeFenced, Status: core.ConditionTrue, Message: "refused", LastTransitionTime: earlier}
	ready := core.NodeCondition{Type: core.NodeReady, Status: core.ConditionTrue}
	for _, test := range []struct {
		name   string
		now    []core.NodeCondition
		wanted marks
		want   string
	}{
		{"nothing ever was", []core.NodeCondition{ready}, marks{}, ""},
		{"fenced", []core.NodeCondition{ready}, marks{fenced: "refused"}, "mainstay.dev/Fenced True refused since 2"},
		{"it is said already", []core.NodeCondition{fenced}, marks{fenced: "refused"}, ""},
		{"it is fenced by another means", []core.NodeCondition{fenced}, marks{fenced: "it leaves"}, "mainstay.dev/Fenced True it leaves since 1"},
		{"it is over", []core.NodeCondition{fenced}, marks{}, "mainstay.dev/Fenced False  since 2"},
		{"too many are lost", nil, marks{held: fence.Held{Reason: fence.TooManyLost, Message: "2 of 3"}}, "mainstay.dev/FenceHeld True 2 of 3 since 2"},
	} {
		var got []string
		for _, c := range test.wanted.change(test.now, at) {
			got = append(got, fmt.Sprintf("%s %s %s since %d", c.Type, c.Status, c.Message, c.LastTransitionTime.Unix()))
		}
		if strings.Join(got, "; ") != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

// A node that is back has the taint until kubelet has unmounted what was taken from it.
func TestStaleMounts(t *testing.T) {
	attached := []fence.Attached{{InUse: "kubernetes.io/csi/a^1"}, {}}
	for _, test := range []struct {
		name  string
		inUse []core.UniqueVolumeName
		want  int
	}{
		{"nothing is mounted", nil, 0},
		{"what is attached is", []core.UniqueVolumeName{"kubernetes.io/csi/a^1"}, 0},
		{"what was detached is, too", []core.UniqueVolumeName{"kubernetes.io/csi/a^1", "kubernetes.io/csi/a^2"}, 1},
		{"another driver's volume of that name", []core.UniqueVolumeName{"kubernetes.io/csi/b^1"}, 1},
		{"one that has no VolumeAttachment ever", []core.UniqueVolumeName{"flexvolume-mainstay.dev/volume/x"}, 0},
	} {
		if got := staleMounts(test.inUse, attached); len(got) != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

// What a judge remembers of nodes that lost their leases.
func TestLosses(t *testing.T) {
	lease := func(node string, state fence.State, epoch int32) fence.Lease {
		return fence.Lease{Node: node, Record: fence.Record{State: state, Epoch: epoch}}
	}
	attached := func(names ...string) (all []fence.Attached) {
		for _, name := range names {
			all = append(all, fence.Attached{VolumeAttachment: storage.VolumeAttachment{ObjectMeta: meta.ObjectMeta{Name: name}}})
		}
		return all
	}
	known := losses{}
	known.follow([]fence.Lease{lease("a", fence.Open, 1), lease("b", fence.Closing, 1)}, 10)
	known.follow([]fence.Lease{lease("a", fence.Open, 1), lease("b", fence.Fenced, 2)}, 20)
	b := known.of(lease("b", fence.Fenced, 2), 30)
	if b.seen != 10 || b.epoch != 2 || len(known) != 1 {
		t.Errorf("it knows %+v of b, and of %v", b, slices.Collect(maps.Keys(known)))
	}
	b.next = 40
	if gone := b.release(attached("x", "y")); len(gone) != 0 {
		t.Errorf("released at first are %v", gone)
	}
	if gone := b.release(attached("x")); len(gone) != 1 || gone[0].Name != "y" {
		t.Errorf("released are %v, not y", gone)
	}
	if again := known.of(lease("b", fence.Fenced, 4), 50); again.next != 0 || len(again.attached) != 0 || again.seen != 10 {
		t.Errorf("of another epoch it knows %+v", again)
	}
	known.follow([]fence.Lease{lease("b", fence.Open, 5)}, 60)
	if len(known) != 0 {
		t.Error("b is back")
	}
}
