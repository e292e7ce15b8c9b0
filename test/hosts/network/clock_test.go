package network

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain is also a program that tells the time: the wall clock in seconds, and the
// milliseconds that it has run.
func TestMain(m *testing.M) {
	if os.Getenv("TELL_TIME") == "" {
		os.Exit(m.Run())
	}
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		fmt.Println(time.Now().Unix(), time.Since(begin).Milliseconds())
	}
}

func TestStepClock(t *testing.T) {
	n := newNetwork(t, Options{Hosts: 2})
	nothing := filepath.Join(t.TempDir(), "nothing") // comes through this pipe: bash has no sleep of its own
	must(t, unix.Mkfifo(nothing, 0o600))
	c := "while :; do echo $EPOCHSECONDS 0; read -t 0.01 <>" + nothing + "; done"
	clocks := map[string]func() (ahead time.Duration, ran int64){
		"Go":    tellsTime(t, n.Hosts[0], os.Args[0]),
		"C":     tellsTime(t, n.Hosts[0], "bash", "-c", c),
		"other": tellsTime(t, n.Hosts[1], os.Args[0]),
	}
	_, before := clocks["Go"]()
	for _, step := range []time.Duration{time.Hour, -time.Hour, 0} {
		must(t, n.Hosts[0].StepClock(step))
		for name, read := range clocks {
			want := step
			if name == "other" {
				want = 0
			}
			if ahead, ran := read(); (ahead-want).Abs() > 2*time.Second || ran-before > 60_000 || ran < 0 {
				t.Errorf("after a step to %s the clock of %s is ahead by %s, and it ran for %d ms", step, name, ahead, ran)
			}
		}
	}
	must(t, n.Hosts[0].Pause())
	must(t, n.Hosts[0].StepClock(time.Hour))
	if !n.Hosts[0].paused() {
		t.Error("a step has ended a pause")
	}
	if err := n.Hosts[0].StepClock(time.Millisecond); err == nil || !strings.Contains(err.Error(), "whole seconds") {
		t.Errorf("a step of a millisecond: %v", err)
	}
}

// tellsTime starts a program that tells the time, and returns what reads a line that
// it writes now: how far it is ahead of this process, and how long it has run.
func tellsTime(t *testing.T, h *Host, program string, arguments ...string) func() (time.Duration, int64) {
	t.Helper()
	command := h.Run(program, arguments...)
	command.Env = append(os.Environ(), "TELL_TIME=1")
	said, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	var mu sync.Mutex
	var count int
	var latest string
	go func() {
		for lines := bufio.NewScanner(said); lines.Scan(); {
			mu.Lock()
			count, latest = count+1, lines.Text()
			mu.Unlock()
		}
	}()
	get := func() (int, string) {
		mu.Lock()
		defer mu.Unlock()
		return count, latest
	}
	return func() (ahead time.Duration, ran int64) {
		before, _ := get()
		must(t, poll(10*time.Second, func() (bool, error) {
			number, line := get()
			if number < before+3 { // the next was written before
				return false, nil
			}
			var seconds int64
			_, err := fmt.Sscan(line, &seconds, &ran)
			ahead = time.Until(time.Unix(seconds, 0))
			return true, err
		}))
		return ahead, ran
	}
}
