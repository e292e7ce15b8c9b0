package hosts

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Token returns the words of the command with which machines join this server.
func (h *Host) Token(t testing.TB) (join []string) {
	t.Helper()
	printed := strings.TrimSpace(h.Mainstay(t, "token", "create"))
	words := strings.Fields(printed[strings.LastIndex(printed, "\n")+1:])
	if len(words) != 6 || words[0] != "mainstay" || words[1] != "join" {
		t.Fatalf("token create does not end with a command: %s", printed)
	}
	return words[1:]
}

// Join makes the host a machine of the cluster that the words are of. It may be called
// by another goroutine than the test's.
func (h *Host) Join(t testing.TB, token []string) {
	output, err := h.Command(append(append([]string{}, token...), "--node-name", h.Name)...).CombinedOutput()
	t.Logf("%s", output)
	if err != nil {
		t.Errorf("join: %v", err)
	}
}

// EnginePID asks the engine itself for its process ID.
func (h *Host) EnginePID(t testing.TB) int {
	t.Helper()
	var status struct{ Engine struct{ Process int } }
	if err := json.Unmarshal([]byte(h.Output(t, h.binary, "status", "-o", "json")), &status); err != nil {
		t.Fatal(err)
	}
	return status.Engine.Process
}

// KillEngine kills the engine alone, as a fault of its own would.
func (h *Host) KillEngine(t testing.TB) {
	t.Helper()
	pid := h.EnginePID(t)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	Eventually(t, 10*time.Second, func(context.Context) error {
		if err := syscall.Kill(pid, 0); err == nil {
			return errors.New("the killed engine is still there")
		}
		return nil
	})
}
