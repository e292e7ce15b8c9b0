package agent

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mainstay-io/mainstay/internal/fence"
)

// recorder is a watchdog that tells what it was told.
type recorder struct {
	mu       sync.Mutex
	resets   []fence.Instant // when it would reset the machine, after each feed
	opened   int
	disarmed int
	busy     int   // so often it cannot be opened
	refuses  error // what it answers when fed
}

func (r *recorder) open() (Watchdog, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy--; r.busy >= 0 {
		return nil, errors.New("in use")
	}
	r.opened++
	return r, nil
}

func (r *recorder) Feed(timeout time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuses == nil {
		r.resets = append(r.resets, now().Add(timeout))
	}
	return r.refuses
}

func (r *recorder) Disarm() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.disarmed++
	return nil
}

// last is when it resets the machine.
func (r *recorder) last() fence.Instant {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.resets) == 0 {
		return 0
	}
	return r.resets[len(r.resets)-1]
}

func (r *recorder) was() (opened, disarmed int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.opened, r.disarmed
}

// execute starts an executioner of a node that has a lease, with a watchdog.
func execute(t *testing.T, r *recorder, stop func(context.Context) error) (memory *Memory, until fence.Instant, end func()) {
	t.Helper()
	dir, terms := newDir(t), fence.DefaultTerms()
	memory = openMemory(t, dir)
	until = now().Add(terms.Term)
	if !memory.Swap(memory.Load(), fence.Deadline{Boot: memory.boot, Epoch: 1, Until: until}) {
		t.Fatal("refused")
	}
	if err := dir.arm(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	e := Executioner{Memory: memory, Dir: dir, Stop: stop, Watchdog: r.open, Terms: terms}
	go func() { ended <- e.Run(ctx) }()
	end = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(end)
	return memory, until, end
}

// As long as a renewal says so, and no longer, it keeps the machine from being reset; and
// then as long as no pet runs.
func TestWatchdogOfStoppedPets(t *testing.T) {
	t.Parallel()
	var r recorder
	memory, until, end := execute(t, &r, func(context.Context) error { return nil })
	eventually(t, "it is fed", func() bool { return r.last() != 0 })
	if !memory.Guarded() {
		t.Error("it does not say so")
	}
	latest := until.Add(fence.DefaultTerms().Stop + time.Millisecond) // the recorder looks a moment later
	for now() < until.Add(-50*time.Millisecond) {
		if last := r.last(); last > latest {
			t.Fatalf("the machine is reset %v after its pets must have stopped", last.Sub(latest))
		}
		time.Sleep(10 * time.Millisecond)
	}
	for wait := latest.Add(2 * time.Second); now() < wait; time.Sleep(10 * time.Millisecond) {
		if r.last() < now() {
			t.Fatal("the machine is reset though no pet runs")
		}
	}
	end()
	if opened, disarmed := r.was(); opened != 1 || disarmed != 1 || memory.Guarded() {
		t.Errorf("it was opened %d times, and disarmed %d times", opened, disarmed)
	}
}

// The machine is reset if pets cannot be stopped, whoever ends the executioner.
func TestWatchdogOfPetsThatCannotBeStopped(t *testing.T) {
	t.Parallel()
	var r recorder
	_, until, end := execute(t, &r, func(context.Context) error { return errors.New("a process waits for a disk") })
	for now() < until.Add(time.Second) {
		time.Sleep(10 * time.Millisecond)
	}
	if last, latest := r.last(), until.Add(fence.DefaultTerms().Stop+time.Millisecond); last == 0 || last > latest {
		t.Errorf("the machine is reset %v after its pets must have stopped", last.Sub(latest))
	}
	end()
	if _, disarmed := r.was(); disarmed != 0 {
		t.Error("it is disarmed, and pets run")
	}
}

// To end an executioner that is about to stop pets, as `mainstay leave` does where the server is
// gone, does not look as if they could not be stopped.
func TestWatchdogIsDisarmedWhilePetsAreStopped(t *testing.T) {
	t.Parallel()
	var r recorder
	begun := make(chan struct{}, 100)
	_, _, end := execute(t, &r, func(ctx context.Context) error {
		begun <- struct{}{}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(stopLimit / 2):
			return nil
		}
	})
	<-begun
	<-begun
	end()
	if _, disarmed := r.was(); disarmed != 1 {
		t.Errorf("it was disarmed %d times", disarmed)
	}
}

// One that is in use is had as soon as it is not.
func TestWatchdogInUse(t *testing.T) {
	t.Parallel()
	r := recorder{busy: 1}
	memory, _, _ := execute(t, &r, func(context.Context) error { return nil })
	eventually(t, "it is fed", memory.Guarded)
}

// One that cannot wait for so short a time is left as it was.
func TestWatchdogThatIsTooSlow(t *testing.T) {
	t.Parallel()
	r := recorder{refuses: errors.New("a minute at least")}
	memory, _, _ := execute(t, &r, func(context.Context) error { return nil })
	eventually(t, "it is disarmed", func() bool {
		opened, disarmed := r.was()
		return opened == 1 && disarmed == 1
	})
	if memory.Guarded() {
		t.Error("the node says that it has a watchdog")
	}
}

func TestWhatIsNoWatchdog(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "/", "/dev/null", "/dev/watchdog-of-another-machine", "dev/watchdog"} {
		if IsWatchdog(path) {
			t.Errorf("%q is one", path)
		}
	}
}

// The kernel's own, where it tells only that it would reset the machine: after
//
//	modprobe softdog soft_noboot=1
func TestSoftdog(t *testing.T) {
	messages, err := os.OpenFile("/dev/kmsg", os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skip(err)
	}
	defer messages.Close()
	said := func(text string, within time.Duration) bool {
		_ = messages.SetReadDeadline(time.Now().Add(within))
		for line := make([]byte, 8192); ; {
			n, err := messages.Read(line)
			if err != nil && !errors.Is(err, unix.EPIPE) { // that is: some were missed
				return false
			}
			if err == nil && strings.Contains(string(line[:n]), text) {
				return true
			}
		}
	}
	if !said("soft_noboot=1", 100*time.Millisecond) {
		t.Skip("no softdog with soft_noboot=1")
	}
	if _, err := messages.Seek(0, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	const path, would = "/dev/watchdog", "Reboot ignored"
	for _, path := range []string{path, path + "0"} {
		if !IsWatchdog(path) {
			t.Errorf("%s is none", path)
		}
	}
	open := func() Watchdog {
		w, err := OpenWatchdog(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Feed(time.Second); err != nil {
			t.Fatal(err)
		}
		return w
	}

	w := open()
	if _, err := OpenWatchdog(path); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second one has it, too: %v", err)
	}
	for range 8 {
		time.Sleep(250 * time.Millisecond)
		if err := w.Feed(time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Disarm(); err != nil {
		t.Fatal(err)
	}
	if said(would, 2*time.Second) {
		t.Error("one that was fed, and disarmed, resets the machine")
	}

	_ = open().(device).file.Close() // as when its process is killed
	if !said(would, 3*time.Second) {
		t.Error("nobody feeds it, and it does not reset the machine")
	}
	if err := open().Disarm(); err != nil {
		t.Error(err)
	}
}
