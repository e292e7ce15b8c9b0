// Command pet is a database in small: it appends numbers to a file of its volume, and
// answers when they are on the disk.
//
// As long as it runs it also tells so, many times a second, in a file that all machines
// of the test share: see the beats of package chaos.
package main

import (
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	numbersFile = "/data/numbers"
	beatsFile   = "/beats/beats"
	// between two beats. Who is stopped for less than this is not seen to be.
	pause = 5 * time.Millisecond
)

func main() {
	if err := run(os.Getenv("NODE")); err != nil {
		log.Fatal(err)
	}
}

func run(node string) error {
	beats, err := os.OpenFile(beatsFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	begun, err := now()
	if err != nil {
		return err
	}
	failed := make(chan error)
	go func() { failed <- beat(beats, node, begun) }()
	numbers, err := os.OpenFile(numbersFile, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	server := &http.Server{Addr: ":80", Handler: &pet{numbers: numbers, failed: failed}, ReadHeaderTimeout: time.Second}
	go func() { failed <- server.ListenAndServe() }()
	return <-failed
}

// beat tells that this process executes instructions. A line is written whole, by one
// call, and the machines of a test have one kernel, whose clock is the same for all.
func beat(file *os.File, node string, begun time.Duration) error {
	for {
		at, err := now()
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(file, int64(at), node, int64(begun)); err != nil {
			return err
		}
		time.Sleep(pause)
	}
}

func now() (time.Duration, error) {
	var t unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t)
	return time.Duration(t.Nano()), err
}

type pet struct {
	mu      sync.Mutex
	numbers *os.File
	failed  chan<- error
}

// ServeHTTP appends what is posted, and shows all to who gets.
func (p *pet) ServeHTTP(out http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodPost {
		http.ServeFile(out, request, numbersFile)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := fmt.Fprintln(p.numbers, request.FormValue("number"))
	if err = errors.Join(err, p.numbers.Sync()); err != nil {
		http.Error(out, err.Error(), http.StatusInternalServerError)
		p.failed <- err // as a database does: the disk is lost
	}
}
