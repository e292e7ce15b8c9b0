package network

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// processesOf finds the processes that have a word in their cgroups.
func processesOf(t *testing.T, word string) (found []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cgroup")
	must(t, err)
	for _, file := range files {
		groups, _ := os.ReadFile(file)
		if line, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline")); strings.Contains(string(groups), word) && len(line) > 0 { // a dead one has no line
			found = append(found, string(line))
		}
	}
	return found
}

func TestPowerOff(t *testing.T) {
	n := newNetwork(t, Options{Hosts: 2, DiskBytes: 64 << 20})
	h, other := n.Hosts[0], n.Hosts[1]
	outside := filepath.Join(t.TempDir(), "outside")
	// A daemon that writes outside of the host's disk; a volume; a process held by a
	// freezer, which no signal ends; a disk with files, the last of them not synced.
	start(t, h, `
cd `+h.DataDir()+`
setsid sh -c 'while :; do echo more; sleep 0.01; done' >`+outside+` &
truncate -s 16M volume && mkfs.ext4 -q volume && mkdir mounted && mount -o loop volume mounted
if [ -d /sys/fs/cgroup/freezer ]; then
  mkdir /sys/fs/cgroup/freezer/pod
  sleep 1000 & echo $! >/sys/fs/cgroup/freezer/pod/cgroup.procs
  echo FROZEN >/sys/fs/cgroup/freezer/pod/freezer.state
fi
echo synced >synced && sync
echo unsynced >unsynced
echo ready`)
	if processes := processesOf(t, "/try-1"); len(processes) < 3 {
		t.Fatalf("the host has only the processes %v", processes)
	}
	must(t, h.PowerOff())

	if processes := processesOf(t, "/try-1"); len(processes) > 0 {
		t.Errorf("processes live on: %v", processes)
	}
	if grows(t, outside) {
		t.Error("something of the host writes on")
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	devices, err := loopsBelow(h.dir())
	must(t, err)
	if strings.Contains(string(mounts), "try-1") || len(devices) > 0 || exists("/run/netns/try-1") {
		t.Errorf("mounts, loop devices or network are left: %s %v", mounts, devices)
	}
	for _, tree := range must1(t, hierarchies) {
		if exists(filepath.Join(tree.mountpoint, h.Name())) {
			t.Errorf("a cgroup is left in %s", tree.mountpoint)
		}
	}
	if err := h.Run("true").Run(); err == nil {
		t.Error("a program runs on a host without power")
	}
	if reaches(t, other, h) {
		t.Error("a host without power answers")
	}
	must(t, h.PowerOff()) // it is off, and stays so

	must(t, h.PowerOn())
	if content := output(t, h, "cat", h.DataDir()+"/synced"); content != "synced" {
		t.Errorf("what was synced is %q", content)
	}
	if content, _ := os.ReadFile(h.DataDir() + "/unsynced"); len(content) > 0 {
		t.Errorf("what only the memory had is there: %q", content)
	}
	soonReaches(t, other, h)
}

func TestPause(t *testing.T) {
	n := newNetwork(t, Options{Hosts: 2})
	h, other := n.Hosts[0], n.Hosts[1]
	file := filepath.Join(t.TempDir(), "count")
	start(t, h, `: >`+file+`; while :; do echo more; sleep 0.01; done >`+file+` & echo ready`)
	must(t, h.Pause())
	if grows(t, file) || reaches(t, other, h) || reaches(t, nil, h) {
		t.Error("a paused host writes or answers")
	}
	must(t, h.Resume())
	if !grows(t, file) {
		t.Error("a resumed host does not go on")
	}
	soonReaches(t, other, h)
	must(t, h.Pause())
	must(t, h.PowerOff())
	if err := h.Pause(); err == nil || !strings.Contains(err.Error(), "no power") {
		t.Errorf("a host without power is paused: %v", err)
	}
	must(t, h.PowerOn())
	soonReaches(t, other, h)
}

func TestFillDisk(t *testing.T) {
	n := newNetwork(t, Options{Hosts: 1, DiskBytes: minDisk})
	h := n.Hosts[0]
	must(t, h.FillDisk())
	if text, err := h.Run("dd", "if=/dev/zero", "of="+h.DataDir()+"/file", "bs=64k", "count=1").CombinedOutput(); err == nil || !strings.Contains(string(text), "No space left") {
		t.Errorf("on a full disk: %v: %s", err, text)
	}
	must(t, h.FreeDisk())
	output(t, h, "dd", "if=/dev/zero", "of="+h.DataDir()+"/file", "bs=64k", "count=1", "conv=fsync")
	must(t, h.FreeDisk()) // it is free, and stays so
}
