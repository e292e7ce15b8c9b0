package network

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/vishvananda/netns"
)

// run runs a command of words without spaces.
func run(command string) error {
	words := strings.Fields(command)
	return runWith("", words[0], words[1:]...)
}

func runWith(input, program string, arguments ...string) error {
	command := exec.Command(program, arguments...)
	command.Stdin = strings.NewReader(input)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", program, strings.Join(arguments, " "), err, output)
	}
	return nil
}

// Within calls do with this goroutine in the network namespace of that name: sockets
// that it opens belong there.
func Within(name string, do func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		return err
	}
	defer home.Close()
	there, err := netns.GetFromName(name)
	if err != nil {
		return err
	}
	defer there.Close()
	if err := netns.Set(there); err != nil {
		return err
	}
	defer func() {
		if err := netns.Set(home); err != nil {
			panic(err) // this thread is of no use to anybody any more
		}
	}()
	return do()
}

var errLate = errors.New("not in time")

// poll asks until done says so, or limit is over.
func poll(limit time.Duration, done func() (bool, error)) error {
	for end := time.Now().Add(limit); ; time.Sleep(2 * time.Millisecond) {
		ready, err := done()
		if ready || err != nil {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%w: waited %s", errLate, limit)
		}
	}
}
