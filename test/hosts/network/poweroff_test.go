package network

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
	// A daemon that writes to the host's disk without syncing, and then the same outside
	// of it; a volume; a process held by a freezer, which no signal ends; a synced file.
	start(t, h, `
cd `+h.DataDir()+`
setsid sh -c 'while :; do echo more >>unsynced; echo more >>`+outside+`; done' &
truncate -s 16M volume && mkfs.ext4 -q volume && mkdir mounted && mount -o loop volume mounted
if [ -d /sys/fs/cgroup/freezer ]; then
  mkdir /sys/fs/cgroup/freezer/pod
  sleep 1000 & echo $! >/sys/fs/cgroup/freezer/pod/cgroup.procs
  echo FROZEN >/sys/fs/cgroup/freezer/pod/freezer.state
fi
echo synced >synced && sync
echo ready`)
	if processes := processesOf(t, "/try-1"); len(processes) < 3 {
		t.Fatalf("the host has only the processes %v", processes)
	}
	must(t, h.PowerOff())

	if processes := processesOf(t, "/try-1"); len(processes) > 0 {
		t.Errorf("processes live on: %v", processes)
	}
	if grows(outside) {
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
	// Some of it the kernel may have written by itself, or by a sync of somebody else.
	if kept, written := fileSize(h.DataDir()+"/unsynced"), fileSize(outside); kept >= written {
		t.Errorf("what only the memory had is there: %d bytes of %d", kept, written)
	}
	soonReaches(t, other, h)
}

func TestPause(t *testing.T) {
	n := newNetwork(t, Options{Hosts: 2})
	h, other := n.Hosts[0], n.Hosts[1]
	file := filepath.Join(t.TempDir(), "count")
	start(t, h, `: >`+file+`; while :; do echo more; sleep 0.01; done >`+file+` & echo ready`)
	must(t, h.Pause())
	if grows(file) || reaches(t, other, h) || reaches(t, nil, h) {
		t.Error("a paused host writes or answers")
	}
	must(t, h.Resume())
	before := fileSize(file)
	must(t, poll(5*time.Second, func() (bool, error) { return fileSize(file) > before, nil }))
	soonReaches(t, other, h)
	must(t, h.Pause())
	must(t, h.PowerOff())
	if err := h.Pause(); err == nil || !strings.Contains(err.Error(), "no power") {
		t.Errorf("a host without power is paused: %v", err)
	}
	must(t, h.PowerOn())
	soonReaches(t, other, h)
}

// Whoever writes to a disk that hangs waits, until it is mended or the power is cut.
func TestHangDisk(t *testing.T) {
	n := newNetwork(t, Options{Hosts: 1, DiskBytes: minDisk})
	h := n.Hosts[0]
	file := h.DataDir() + "/file"
	must(t, h.HangDisk())
	start(t, h, `echo ready; echo more >`+file)
	time.Sleep(100 * time.Millisecond)
	if fileSize(file) != 0 {
		t.Error("a disk that hangs takes what is written")
	}
	must(t, h.MendDisk())
	must(t, poll(5*time.Second, func() (bool, error) { return fileSize(file) > 0, nil }))
	must(t, h.MendDisk()) // it works, and goes on so
	must(t, h.HangDisk())
	must(t, h.PowerOff())
	must(t, h.PowerOn())
	output(t, h, "sh", "-c", "echo more >"+file)
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
