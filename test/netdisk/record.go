package netdisk

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Kind is what somebody asked of the server.
type Kind string

// What is recorded. Reads that are allowed are not.
const (
	Attach Kind = "attach"
	Detach Kind = "detach"
	Write  Kind = "write"
	Sync   Kind = "sync"
	Read   Kind = "read"
)

// Event is a line of the record.
type Event struct {
	// At is the time since the machine started, CLOCK_BOOTTIME.
	At   time.Duration `json:"at"`
	Kind Kind          `json:"kind"`
	Disk string        `json:"disk"`
	// Node and Epoch tell who asks: Epoch counts the attachments of the disk.
	Node   string `json:"node"`
	Epoch  int64  `json:"epoch"`
	Offset int64  `json:"offset,omitempty"`
	Length int    `json:"length,omitempty"`
	// InUse is true for a detachment by force: the node had the disk open.
	InUse bool `json:"inUse,omitempty"`
	// Refused says why it was not done.
	Refused string `json:"refused,omitempty"`
}

// ReadRecord reads the record of a server, which may go on writing it.
func ReadRecord(file string) ([]Event, error) {
	opened, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	var events []Event
	lines := bufio.NewScanner(opened)
	for lines.Scan() {
		var event Event
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return nil, fmt.Errorf("line %d of %s: %w", len(events)+1, file, err)
		}
		events = append(events, event)
	}
	return events, lines.Err()
}

// recorder appends to a record. A line is written whole, by one call: it is there
// when the server is killed after it.
type recorder struct{ file *os.File }

func openRecord(path string) (recorder, error) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	return recorder{file}, err
}

func (r recorder) add(event Event) error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return err
	}
	event.At = time.Duration(now.Nano())
	line, err := json.Marshal(event)
	if err != nil {
		return err
	}
	_, err = r.file.Write(append(line, '\n'))
	return err
}
