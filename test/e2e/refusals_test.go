package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// TestRefusals lists what keeps an engine from starting. Each must be said in
// one line that tells what to do, and leave nothing behind.
func TestRefusals(t *testing.T) {
	h := hosts.New(t, 4)
	fresh := h.Stock(t)
	var occupied net.Listener
	for _, refusal := range []struct {
		name    string
		prepare func(t *testing.T) *exec.Cmd
		says    []string
	}{
		{"not root", func(*testing.T) *exec.Cmd {
			return exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
				copyOfBinary(t), "--data-dir", h.DataDir, "up")
		}, []string{"root", "sudo"}},
		{"port taken", func(t *testing.T) *exec.Cmd {
			h.Within(t, func() {
				var err error
				if occupied, err = net.Listen("tcp", "127.0.0.1:2379"); err != nil {
					t.Fatal(err)
				}
			})
			return h.Command("up")
		}, []string{"port 2379 is taken", "ss -ltnp"}},
		{"disk full", func(t *testing.T) *exec.Cmd {
			small := t.TempDir()
			if output, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", small).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, output)
			}
			t.Cleanup(func() { _ = exec.Command("umount", small).Run() })
			return h.Command("--data-dir", filepath.Join(small, "data"), "up")
		}, []string{"64 MiB left", "--data-dir"}},
		{"data of a newer version", func(t *testing.T) *exec.Cmd {
			config := filepath.Join(t.TempDir(), "config")
			if err := os.MkdirAll(config, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(config, "data-version"), []byte("999\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			return h.Command("--data-dir", filepath.Dir(config), "up")
		}, []string{"version 999", "newer mainstay"}},
		{"programs missing", func(*testing.T) *exec.Cmd {
			command := h.Command("up")
			command.Args = append([]string{command.Args[0], command.Args[1], "env", "PATH=/nowhere"}, command.Args[2:]...)
			return command
		}, []string{"containerd", "apt-get install"}},
		{"a directory with a space", func(t *testing.T) *exec.Cmd {
			return h.Command("--data-dir", filepath.Join(t.TempDir(), "a b"), "up")
		}, []string{"a b", "without spaces"}},
		{"a directory too long for sockets", func(*testing.T) *exec.Cmd {
			return h.Command("--data-dir", "/"+strings.Repeat("long/", 20), "up")
		}, []string{"bytes too long", "shorter --data-dir"}},
		{"no such address", func(*testing.T) *exec.Cmd { return h.Command("up", "--node-ip", "nonsense") }, []string{"not an IPv4 address"}},
		{"no such feature gate", func(*testing.T) *exec.Cmd { return h.Command("up", "--feature-gates", "Nonsense=true") },
			[]string{"unrecognized feature gate: Nonsense", "NAME=true"}},
	} {
		t.Run(refusal.name, func(t *testing.T) {
			output, err := refusal.prepare(t).CombinedOutput()
			text := strings.TrimSpace(string(output))
			if err == nil {
				t.Fatalf("it started:\n%s", text)
			}
			if strings.Contains(text, "\n") {
				t.Errorf("not one line:\n%s", text)
			}
			for _, word := range refusal.says {
				if !strings.Contains(text, word) {
					t.Errorf("it does not say %q: %s", word, text)
				}
			}
			if occupied != nil {
				occupied.Close()
			}
			compare(t, "refused", fresh, h.Stock(t))
		})
	}
}

// copyOfBinary puts the program where somebody who is not root may run it.
func copyOfBinary(t *testing.T) string {
	t.Helper()
	directory, err := os.MkdirTemp("", "mainstay-binary")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(directory) })
	if err := os.Chmod(directory, 0o755); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(directory, "mainstay")
	if output, err := exec.Command("cp", os.Getenv("MAINSTAY_BINARY"), binary).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return binary
}
