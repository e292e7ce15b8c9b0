package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/mainstay-io/mainstay/internal/fence"
)

// Memory holds the fence.Deadline that the keeper and the executioner share. It is a
// file that both have mapped: a keeper that is killed leaves it as it was. Neither ever
// waits for the other to look at it, for the other may be asleep.
type Memory struct {
	page []byte
	boot string
}

// memorySize is that of three words: the deadline, whether the executioner is at work, and
// whether it feeds a watchdog.
const memorySize = 24

const memoryPrefix = "deadline-"

// OpenMemory opens the memory. Each boot of the machine has a file of
// its own, with zeros at first: no pet may run. Those of earlier ones are removed.
func (d Dir) OpenMemory() (*Memory, error) {
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(d.Memory, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(d.Memory, memoryPrefix+boot)
	before, err := filepath.Glob(filepath.Join(d.Memory, memoryPrefix+"*"))
	for _, other := range before {
		if other != path {
			err = errors.Join(err, os.Remove(other))
		}
	}
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer file.Close() // what is mapped stays
	if err := file.Truncate(memorySize); err != nil {
		return nil, err
	}
	page, err := unix.Mmap(int(file.Fd()), 0, memorySize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	return &Memory{page: page, boot: boot}, nil
}

// Close forgets the memory; the file stays.
func (m *Memory) Close() error { return unix.Munmap(m.page) }

// Holds tells whether pets may run now.
func (m *Memory) Holds() bool { return !m.Load().Overdue(m.boot, now()) }

// Load reads the deadline.
func (m *Memory) Load() fence.Deadline { return m.unpack(m.word(0).Load()) }

// Swap replaces the deadline if it is still the old one, as it was loaded, and tells
// whether it was. An instant is kept in milliseconds, rounded down.
func (m *Memory) Swap(old, replacement fence.Deadline) bool {
	return m.word(0).CompareAndSwap(pack(old), pack(replacement))
}

// Executing tells whether the executioner has found the deadline past, and may be stopping pets.
// Whoever has just prolonged a deadline that was past lets nothing run before this is
// false: the executioner sets it before it looks.
func (m *Memory) Executing() bool { return m.word(1).Load() != 0 }

func (m *Memory) setExecuting(is bool) { m.setFlag(1, is) }

// Guarded tells whether the executioner feeds a watchdog.
func (m *Memory) Guarded() bool { return m.word(2).Load() != 0 }

func (m *Memory) setGuarded(is bool) { m.setFlag(2, is) }

func (m *Memory) setFlag(word int, is bool) {
	var value uint64
	if is {
		value = 1
	}
	m.word(word).Store(value)
}

// word is one that a single instruction replaces.
func (m *Memory) word(n int) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&m.page[8*n]))
}

// untilBits leave room for 34 years of milliseconds, and for 16 million epochs.
const untilBits = 40

func pack(d fence.Deadline) uint64 {
	milliseconds := uint64(time.Duration(d.Until) / time.Millisecond)
	if milliseconds >= 1<<untilBits || d.Epoch < 0 || d.Epoch >= 1<<(64-untilBits) {
		return 0 // no pet may run
	}
	return uint64(d.Epoch)<<untilBits | milliseconds
}

func (m *Memory) unpack(word uint64) fence.Deadline {
	milliseconds := word & (1<<untilBits - 1)
	return fence.Deadline{
		Boot: m.boot, Epoch: int32(word >> untilBits),
		Until: fence.Instant(time.Duration(milliseconds) * time.Millisecond),
	}
}
