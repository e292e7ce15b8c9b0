package bench

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"
)

// describeMachine is one line about where the figures come from.
func describeMachine(b *testing.B) string {
	b.Helper()
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		b.Fatal(err)
	}
	return fmt.Sprintf("%d cores (%s), Linux %s, cgroup %s",
		runtime.NumCPU(), runtime.GOARCH, unix.ByteSliceToString(name.Release[:]), cgroupVersion())
}

func cgroupVersion() string {
	switch {
	case cgroups.IsCgroup2UnifiedMode():
		return "v2"
	case cgroups.IsCgroup2HybridMode():
		return "v1 (hybrid)"
	default:
		return "v1"
	}
}

// busyShare sleeps, and returns the share of all cores' time that was used
// meanwhile. While no engine runs that is other people's work, and what is more
// than little of it is in the figures.
func busyShare(b *testing.B, during time.Duration) float64 {
	b.Helper()
	idleBefore, allBefore := processorTime(b)
	time.Sleep(during)
	idle, all := processorTime(b)
	return 1 - (idle-idleBefore)/(all-allBefore)
}

// processorTime returns what all cores together have spent idle, and in all, in
// ticks since boot.
func processorTime(b *testing.B) (idle, all float64) {
	b.Helper()
	content, err := os.ReadFile("/proc/stat")
	if err != nil {
		b.Fatal(err)
	}
	first, _, _ := strings.Cut(string(content), "\n")
	// cpu user nice system idle iowait irq softirq steal guest…: see proc(5).
	// What follows steal is part of user and nice.
	for i, word := range strings.Fields(first)[1:9] {
		ticks, err := strconv.ParseFloat(word, 64)
		if err != nil {
			b.Fatal(err)
		}
		all += ticks
		if i == 3 || i == 4 {
			idle += ticks
		}
	}
	return idle, all
}
