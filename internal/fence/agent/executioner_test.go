package agent

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/internal/fence"
)

func openMemory(t *testing.T, dir Dir) *Memory {
	t.Helper()
	m, err := dir.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func newDir(t *testing.T) Dir { return Dir{Disk: t.TempDir(), Memory: t.TempDir()} }

// What one process writes the other reads; who looked before is refused.
func TestMemory(t *testing.T) {
	dir := newDir(t)
	keeper, executioner := openMemory(t, dir), openMemory(t, dir)
	never := keeper.Load()
	if never.Until != 0 || !never.Overdue(keeper.boot, now()) {
		t.Errorf("a new memory says %+v", never)
	}
	until := now().Add(time.Hour)
	if !keeper.Swap(never, fence.Deadline{Boot: keeper.boot, Epoch: 7, Until: until}) {
		t.Error("the first deadline was refused")
	}
	got := executioner.Load()
	if got.Epoch != 7 || got.Until > until || until.Sub(got.Until) >= time.Millisecond || got.Overdue(executioner.boot, now()) {
		t.Errorf("%+v came through as %+v", until, got)
	}
	if executioner.Swap(never, fence.Deadline{Boot: keeper.boot, Epoch: 8}) {
		t.Error("a deadline was replaced by who had not seen it")
	}
	for _, impossible := range []fence.Deadline{{Epoch: 1 << 24, Until: until}, {Epoch: -1, Until: until}, {Epoch: 1, Until: 1 << 62}, {Epoch: 1, Until: -1 << 40}} {
		if word := pack(impossible); word != 0 {
			t.Errorf("%+v is kept as %x", impossible, word)
		}
	}
}

// Pets are stopped when the deadline is past and not before, for as long as it is; it
// is then not prolonged by a keeper that has not noticed.
func TestExecutioner(t *testing.T) {
	dir := newDir(t)
	m := openMemory(t, dir)
	var stops atomic.Int64
	e := Executioner{Memory: m, Dir: dir, Stop: func(context.Context) error {
		if !m.Executing() {
			t.Error("pets are stopped, and nobody can know")
		}
		stops.Add(1)
		return nil
	}}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	eventually(t, "it is at work", func() bool { return dir.ExecutionerRuns(ctx) == nil })
	time.Sleep(3 * again)
	if stops.Load() != 0 {
		t.Error("pets are stopped on a machine that never had a lease")
	}
	deadline := fence.Deadline{Boot: m.boot, Epoch: 1, Until: now().Add(300 * time.Millisecond)}
	if !m.Swap(m.Load(), deadline) {
		t.Fatal("refused")
	}
	if err := dir.arm(); err != nil {
		t.Fatal(err)
	}
	prolonged := deadline
	prolonged.Until = prolonged.Until.Add(300 * time.Millisecond)
	if !m.Swap(m.Load(), prolonged) {
		t.Error("the keeper could not prolong the deadline in time")
	}
	for stops.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	if early := prolonged.Until.Sub(now()); early > time.Millisecond {
		t.Errorf("pets were stopped %v early", early)
	}
	late := prolonged
	late.Until = now().Add(time.Hour)
	if m.Swap(m.unpack(pack(prolonged)), late) || m.Load().Until != 0 {
		t.Errorf("a deadline that is past was prolonged: %+v", m.Load())
	}
	for seen := stops.Load(); stops.Load() < seen+2; { // whatever somebody starts meanwhile
		time.Sleep(time.Millisecond)
	}
	second := fence.Deadline{Boot: m.boot, Epoch: 2, Until: now().Add(time.Hour)}
	if !m.Swap(m.Load(), second) {
		t.Error("no new epoch can begin")
	}
	for m.Executing() {
		time.Sleep(time.Millisecond)
	}
	seen := stops.Load()
	time.Sleep(3 * again)
	if stops.Load() != seen {
		t.Error("pets are stopped that may run")
	}
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
