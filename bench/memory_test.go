package bench

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// idleFor is how long the engine has been Ready when its memory is measured.
const idleFor = 60 * time.Second

// measureMemory waits, then reads what the engine and containerd occupy. No pod
// runs, and nobody asks the API anything meanwhile.
func measureMemory(b *testing.B, h *hosts.Host) []row {
	b.Helper()
	say("idle memory, in %s", idleFor)
	time.Sleep(idleFor)
	engine, containerd := memoryOf(b, h.EnginePID(b)), memoryOf(b, containerdPID(b, h))
	line := func(measure, field string, limit goal) row {
		return row{"idle engine, " + measure, megabytes, sample{engine[field]}, "containerd, the same", sample{containerd[field]}, true, limit}
	}
	return []row{
		line("RSS", "Rss", goal{limit: 280}),
		line("PSS", "Pss", goal{}),
		line("PSS, anonymous part", "Pss_Anon", goal{}),
		line("PSS, file part", "Pss_File", goal{}),
	}
}

// memoryOf reads the sums that the kernel keeps of a process, in MB.
func memoryOf(b *testing.B, pid int) map[string]float64 {
	b.Helper()
	file, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	sums := map[string]float64{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		words := strings.Fields(lines.Text()) // Rss:  1234 kB
		if len(words) != 3 || words[2] != "kB" {
			continue
		}
		kibibytes, err := strconv.ParseFloat(words[1], 64)
		if err != nil {
			b.Fatal(err)
		}
		sums[strings.TrimSuffix(words[0], ":")] = kibibytes * 1024 / 1e6
	}
	for _, field := range []string{"Rss", "Pss", "Pss_Anon", "Pss_File"} {
		if sums[field] == 0 {
			b.Fatalf("%s has no %s", file.Name(), field)
		}
	}
	return sums
}

func containerdPID(b *testing.B, h *hosts.Host) int {
	b.Helper()
	content, err := os.ReadFile(filepath.Join(h.DataDir, "run", "containerd.pid"))
	if err != nil {
		b.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		b.Fatal(err)
	}
	return pid
}
