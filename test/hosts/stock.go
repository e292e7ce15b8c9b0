package hosts

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mainstay-io/mainstay/internal/engine"
)

// Stock is what a host has: each kind of thing that an engine could leave
// behind, a line for each. Files are counted apart, since data may stay.
type Stock map[string][]string

// Stock takes stock of the host's own network, and of what the machine has for
// this host's engine.
func (h *Host) Stock(t testing.TB) Stock {
	t.Helper()
	return Stock{
		"network devices": lines(h.Output(t, "ip", "-o", "link", "show")),
		"routes":          lines(h.Output(t, "ip", "-4", "route", "show", "table", "all")),
		"nftables":        lines(h.Output(t, "nft", "list", "tables")),
		"sockets":         lines(h.Output(t, "ss", "--no-header", "--listening", "--tcp", "--udp", "--numeric")),
		"mounts":          grep(read(t, "/proc/self/mountinfo"), h.DataDir),
		"processes":       h.processes(t),
		"loop devices":    grep(output(t, "losetup", "--list", "--noheadings", "--output", "BACK-FILE"), h.DataDir),
		"cgroups":         h.cgroups(),
		"below /run":      lines(output(t, "find", "/run", "-maxdepth", "1", "-name", engine.Instance(filepath.Join(h.DataDir, "fence")))),
	}
}

// processes finds the host's processes by their network, and those that name
// the data directory.
func (h *Host) processes(t testing.TB) []string {
	t.Helper()
	var found []string
	there := output(t, "stat", "--dereference", "--format=%i", "/run/netns/"+h.Name)
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		network, _ := os.Readlink(filepath.Join("/proc", entry.Name(), "ns/net"))
		arguments, _ := os.ReadFile(filepath.Join("/proc", entry.Name(), "cmdline"))
		command := strings.ReplaceAll(string(arguments), "\x00", " ")
		if network == "net:["+strings.TrimSpace(there)+"]" || strings.Contains(command, h.DataDir) {
			found = append(found, command)
		}
	}
	return found
}

// cgroups finds the cgroups of this host's engine in all hierarchies.
func (h *Host) cgroups() []string {
	var found []string
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && entry.Name() == engine.Instance(h.DataDir) {
			found = append(found, path)
			return fs.SkipDir
		}
		return nil
	})
	return found
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func grep(text, word string) []string {
	var found []string
	for _, line := range strings.Split(text, "\n") {
		if strings.Contains(line, word) {
			found = append(found, line)
		}
	}
	return found
}

func read(t testing.TB, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func output(t testing.TB, program string, arguments ...string) string {
	t.Helper()
	content, err := exec.Command(program, arguments...).Output()
	if err != nil {
		t.Fatalf("%s: %v", program, err)
	}
	return string(content)
}
