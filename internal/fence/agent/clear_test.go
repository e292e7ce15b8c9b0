package agent

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/internal/fence/halt"
)

// What a runtime has begun in the frozen cgroup of a pod that the API has no more ends,
// until the cgroup is gone; who is spared lives.
func TestClear(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes cgroups")
	}
	const gone, spared = "0b0e6d1c-1111-2222-3333-444455556666", "0b0e6d1c-aaaa-2222-3333-444455556666"
	root := "/sys/fs/cgroup/freezer"
	if _, err := os.Stat(root); err != nil {
		root = "/sys/fs/cgroup"
	}
	kubelets := fmt.Sprintf("mainstay-clear-%d", os.Getpid())
	groupOf := func(uid string) string { return filepath.Join(root, kubelets, "pod"+uid) }
	pets := Pets{Halt: halt.Of("/sys/fs/cgroup", kubelets), Spared: Spared{Path: filepath.Join(t.TempDir(), "spared")}}
	start := func(uid string) *exec.Cmd {
		if err := os.MkdirAll(groupOf(uid), 0o755); err != nil {
			t.Fatal(err)
		}
		sleep := exec.Command("sleep", "60")
		if err := sleep.Start(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(groupOf(uid), "cgroup.procs"), []byte(strconv.Itoa(sleep.Process.Pid)), 0); err != nil {
			t.Fatal(err)
		}
		return sleep
	}
	if err := pets.Spared.write([]string{spared}); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(groupOf(gone), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := pets.Halt.Stop(t.Context(), func(string) bool { return false }); err != nil {
		t.Fatal(err) // it is frozen now, and empty
	}
	other := start(spared)
	t.Cleanup(func() {
		_ = other.Process.Kill()
		_ = other.Wait()
		_, _ = os.Remove(groupOf(gone)), os.Remove(groupOf(spared))
		_ = os.Remove(filepath.Join(root, kubelets))
	})

	cleared := make(chan error, 1)
	go func() {
		cleared <- pets.clear(t.Context(), map[string]string{gone: groupOf(gone), spared: groupOf(spared)})
	}()
	for range 2 { // a runtime tries again
		begun := start(gone)
		ended := make(chan struct{})
		go func() { _ = begun.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Fatal("what was begun does not end")
		}
	}
	eventually(t, "kubelet removes the cgroup", func() bool { return os.Remove(groupOf(gone)) == nil })
	if err := <-cleared; err != nil {
		t.Error(err)
	}
	if err := other.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("who is spared: %v", err)
	}
}
