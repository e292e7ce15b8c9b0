package netdisk

import (
	"slices"
	"testing"
)

func TestJudge(t *testing.T) {
	event := func(kind Kind, node string, epoch int64) Event {
		return Event{At: 5, Kind: kind, Disk: "d", Node: node, Epoch: epoch, Length: 8}
	}
	refused := event(Write, "a", 1)
	refused.Refused = "it is not attached"
	elsewhere := event(Attach, "b", 1)
	elsewhere.Disk = "e"
	for _, c := range []struct {
		name   string
		events []Event
		want   []string
	}{
		{"one after the other", []Event{event(Attach, "a", 1), event(Write, "a", 1), event(Detach, "a", 1), event(Attach, "b", 2), event(Write, "b", 2)}, nil},
		{"two disks", []Event{event(Attach, "a", 1), elsewhere}, nil},
		{"a late write that was refused", []Event{event(Attach, "a", 1), event(Detach, "a", 1), refused}, nil},
		{"two have it", []Event{event(Attach, "a", 1), event(Attach, "b", 2)}, []string{"at 5ns disk d: attached to b while a has it"}},
		{"an epoch comes again", []Event{event(Attach, "a", 2), event(Detach, "a", 2), event(Attach, "b", 2)}, []string{"at 5ns disk d: epoch 2 of b is not after epoch 2"}},
		{"one detaches the other's", []Event{event(Attach, "a", 1), event(Detach, "b", 1)}, []string{"at 5ns disk d: detached from b in epoch 1, which does not have it"}},
		{"a write after the detachment", []Event{event(Attach, "a", 1), event(Detach, "a", 1), event(Write, "a", 1)}, []string{`at 5ns disk d: a in epoch 1 wrote 8 bytes at 0, while "" has it in epoch 0`}},
		{"a write of the attachment before", []Event{event(Attach, "a", 2), event(Write, "a", 1)}, []string{`at 5ns disk d: a in epoch 1 wrote 8 bytes at 0, while "a" has it in epoch 2`}},
	} {
		if got := Judge(c.events); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", c.name, got)
		}
	}
	if late := Late([]Event{event(Write, "a", 1), refused}); len(late) != 1 || late[0] != refused {
		t.Errorf("late are %v", late)
	}
}
