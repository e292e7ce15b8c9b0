package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestHands does what a person does who has just made hosts.
func TestHands(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes network namespaces")
	}
	program := filepath.Join(t.TempDir(), "hosts")
	if output, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, output)
	}
	hosts := func(line string) (string, error) {
		arguments := append([]string{"--network", "hands"}, strings.Fields(line)...)
		output, err := exec.Command(program, arguments...).CombinedOutput()
		return string(output), err
	}
	_, _ = hosts("remove") // what a test that was killed has left
	t.Cleanup(func() { _, _ = hosts("remove") })
	for _, c := range []struct {
		line, want string
		refused    bool
	}{
		{"list", "there are no hosts: make hosts N=3", true},
		{"make --hosts 2 --disk 64 --number 248", "power-off hands-1 --network hands", false},
		{"make --hosts 2", "there are 2 hosts already", true},
		{"enter hands-2 -- hostname", "hands-2\n", false},
		{"cut hands-1 machine", "cut: what machine sends does not reach hands-1", false},
		{"cut hands-1 hands-1", "no way from hands-1 to itself", true},
		{"mend", "all ways are open", false},
		{"isolate hands-2", "hands-2 is cut off", false},
		{"slow hands-1 --delay 1ms", "hands-1 has a bad cable", false},
		{"slow hands-1 --loss 2", "a share of 0 to 1, not 2", true},
		{"pause hands-2", "hands-2 stands still", false},
		{"fill-disk hands-1", "the disk of hands-1 is full", false},
		{"list", "on, disk full, bad cable", false},
		{"list", "paused", false},
		{"clock hands-1 1h", "for what runs on hands-1 it is", false},
		{"clock hands-1 tomorrow", "no duration such as 1h", true},
		{"clock hands-1 -- -1500ms", "by whole seconds", true},
		{"resume hands-2", "hands-2 goes on", false},
		{"speed hands-1", "a good cable", false},
		{"free-disk hands-1", "space again", false},
		{"hang-disk hands-1", "the disk of hands-1 hangs", false},
		{"mend-disk hands-1", "the disk of hands-1 works", false},
		{"power-off hands-1", "hands-1 has no power", false},
		{"enter hands-1", "power-on hands-1 --network hands", true},
		{"list", "off", false},
		{"power-on hands-1", "nothing runs on it yet", false},
		{"power-on hands-3", "there are hands-1 to hands-2", true},
		{"remove", "removed 2 hosts", false},
		{"list", "there are no hosts", true},
	} {
		if said, err := hosts(c.line); (err != nil) != c.refused || !strings.Contains(said, c.want) {
			t.Errorf("hosts %s: %v: %s\nwant: %s", c.line, err, said, c.want)
		}
	}
}
