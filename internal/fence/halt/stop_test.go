package halt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"
)

const (
	pet      = "0b0e6d1c-1111-2222-3333-444455556666"
	otherPet = "0b0e6d1c-1111-2222-3333-777788889999"
	worker   = "0b0e6d1c-aaaa-2222-3333-444455556666"
)

func TestUIDOf(t *testing.T) {
	for name, want := range map[string]string{
		"pod" + pet: pet,
		"kubepods-burstable-pod" + strings.ReplaceAll(pet, "-", "_") + ".slice": pet,
		"kubepods-pod" + strings.ReplaceAll(pet, "-", "_") + ".slice":           pet,
		"pod0b0e6d1c11112222333344445555666a":                                   "0b0e6d1c11112222333344445555666a", // of a file (a hash)
		"burstable":                                                             "",
		"kubepods-burstable.slice":                                              "",
		"cri-containerd-" + pet + ".scope":                                      "",
		"podium":                                                                "",
	} {
		if got := uidOf(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// node is a kubelet's cgroup root in which the test plays the container runtime.
type node struct {
	Pods
	dir string
}

func newNode(t *testing.T) node {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes cgroups")
	}
	name := "mainstay-halt-" + strconv.Itoa(os.Getpid())
	n := node{Pods: Of("/sys/fs/cgroup", name+"/kubepods"), dir: t.TempDir()}
	t.Cleanup(func() {
		groups, _ := n.List()
		for uid := range groups {
			_ = n.Stop(context.Background(), func(string) bool { return false })
			_ = n.Allow(uid)
		}
		if err := cgroups.RemovePath(filepath.Dir(n.root)); err != nil {
			t.Error(err)
		}
	})
	return n
}

// container starts a program of a pod, as a runtime does, which counts in a file.
func (n node) container(t *testing.T, class, uid, name string) (counter string) {
	t.Helper()
	group := filepath.Join(n.root, class, "pod"+uid, name)
	if err := os.MkdirAll(group, 0o755); err != nil {
		t.Fatal(err)
	}
	counter = filepath.Join(n.dir, uid+name)
	// A child that has no parent, and one that ignores what can be ignored.
	script := fmt.Sprintf(`echo $$ > %s/cgroup.procs; trap "" TERM INT HUP; (while :; do echo >> %s; done) & while :; do sleep 0.01; done`, group, counter)
	command := exec.Command("sh", "-c", script)
	command.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = command.Wait() }()
	return counter
}

func size(path string) int64 {
	s, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return s.Size()
}

func requireRuns(t *testing.T, counter string) {
	t.Helper()
	before := size(counter)
	for begun := time.Now(); size(counter) == before; time.Sleep(time.Millisecond) {
		if time.Since(begun) > 20*time.Second {
			t.Fatalf("%s does not run", filepath.Base(counter))
		}
	}
}

// requireStill fails the test if the program executes anything.
func requireStill(t *testing.T, counter string) {
	t.Helper()
	before := size(counter)
	time.Sleep(50 * time.Millisecond)
	if after := size(counter); after != before {
		t.Errorf("%s runs", filepath.Base(counter))
	}
}

// What Stop stops is stopped when it returns, and what is started there later stands
// still until it is allowed. Nobody else notices.
func TestStop(t *testing.T) {
	n := newNode(t)
	counters := []string{
		n.container(t, "burstable", pet, "postgres"), n.container(t, "burstable", pet, "backup"), n.container(t, "besteffort", otherPet, "redis"),
	}
	spared := n.container(t, "", worker, "web")
	for _, c := range append(counters, spared) {
		requireRuns(t, c)
	}
	spare := func(uid string) bool { return uid == worker }
	begun := time.Now()
	if err := n.Stop(t.Context(), spare); err != nil {
		t.Fatal(err)
	}
	t.Logf("three containers were stopped in %v", time.Since(begun))
	for _, c := range counters {
		requireStill(t, c)
	}
	requireRuns(t, spared)

	again := n.container(t, "burstable", pet, "postgres")
	requireStill(t, again)
	if err := n.Stop(t.Context(), spare); err != nil { // as often as one likes
		t.Error(err)
	}
	if err := n.Allow(pet); err != nil {
		t.Fatal(err)
	}
	requireRuns(t, n.container(t, "burstable", pet, "postgres"))
	requireStill(t, counters[2])
	if err := errors.Join(n.Allow("no-such-pod"), Of("/sys/fs/cgroup", "no/such/root").Stop(t.Context(), spare)); err != nil {
		t.Error(err)
	}
}
