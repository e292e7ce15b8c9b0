package volume

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// container makes a cgroup such as kubelet makes one for a container of the pod,
// and returns how to run a command in it.
func container(t *testing.T, p *Pool, uid string) (command func(script string) *exec.Cmd) {
	t.Helper()
	top := filepath.Join(p.throttle.root, fmt.Sprintf("mainstay-test-%d", os.Getpid()))
	groups := []string{top, filepath.Join(top, "kubepods"), filepath.Join(top, "kubepods/pod"+uid), filepath.Join(top, "kubepods/pod"+uid, "main")}
	for i, group := range groups {
		must(t, os.Mkdir(group, 0o755))
		t.Cleanup(func() {
			for deadline := time.Now().Add(10 * time.Second); os.Remove(group) != nil && time.Now().Before(deadline); {
				time.Sleep(10 * time.Millisecond) // until its processes have ended
			}
		})
		if p.throttle.v2 && i < len(groups)-1 {
			must(t, os.WriteFile(filepath.Join(group, "cgroup.subtree_control"), []byte("+io"), 0))
		}
	}
	procs := filepath.Join(groups[len(groups)-1], "cgroup.procs")
	return func(script string) *exec.Cmd {
		return exec.Command("sh", "-c", "echo $$ >"+procs+" && "+script)
	}
}

// moved gives the bytes that have gone through a volume's device.
func moved(t *testing.T, p *Pool, id string) int64 {
	t.Helper()
	loops, err := findLoops(p.image(id))
	if err != nil || len(loops) != 1 {
		t.Fatalf("%v (%v)", loops, err)
	}
	content, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(loops[0].device), "stat"))
	must(t, err)
	fields := strings.Fields(string(content))
	read, err := strconv.ParseInt(fields[2], 10, 64)
	must(t, err)
	written, err := strconv.ParseInt(fields[6], 10, 64)
	must(t, err)
	return 512 * (read + written)
}

// A volume does no more than its maximum over any five seconds, whether its pod
// writes past the page cache or through it, reads, writes, or both; and past the
// cache no less than it may.
func TestMaximum(t *testing.T) {
	p, dir := testPool(t)
	if p.cannotThrottle != nil {
		t.Skip(p.cannotThrottle)
	}
	const maximum, uid = 8 << 20, "0b0e6d1c-1111-2222-3333-444455556666"
	r := mustCreate(t, p, Spec{Name: "limited", RequiredBytes: 128 * mib, FileSystem: Ext4})
	target := filepath.Join(dir, "pods", uid, "volumes", "mount")
	must(t, p.Stage(context.Background(), r.ID, filepath.Join(dir, "staging"), nil))
	must(t, p.Publish(Publication{ID: r.ID, StagingPath: filepath.Join(dir, "staging"), TargetPath: target}))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Govern(ctx) }()
	defer func() { stop(); must(t, <-ended) }()

	run := container(t, p, uid)
	file := filepath.Join(target, "file")
	// What is written before there is a maximum does not count against it.
	must(t, run("dd if=/dev/zero of="+file+" bs=1M count=64 oflag=direct status=none").Run())
	_, err := p.Modify(r.ID, map[string]string{"maxThroughput": fmt.Sprint(maximum)})
	must(t, err)
	write := "timeout 5 sh -c 'while :; do dd if=/dev/zero of=" + file + " bs=64k count=1000 conv=notrunc oflag=direct status=none; done'"
	read := "timeout 5 sh -c 'while :; do dd of=/dev/null if=" + file + " bs=64k iflag=direct status=none; done'"
	buffered := "timeout 5 sh -c 'while :; do dd if=/dev/zero of=" + file + "2 bs=64k count=500 status=none; sync -f " + file + "2; done'"
	load := run(write + "; (" + write + " & " + read + " & wait); " + buffered + "; true")
	load.Stderr = os.Stderr
	must(t, load.Start())

	type sample struct {
		at    time.Duration
		bytes int64
	}
	var samples []sample
	for begun := time.Now(); time.Since(begun) < 15*time.Second; time.Sleep(100 * time.Millisecond) {
		samples = append(samples, sample{time.Since(begun), moved(t, p, r.ID)})
	}
	for i, from := range samples {
		n := slices.IndexFunc(samples[i:], func(s sample) bool { return s.at-from.at >= 5*time.Second })
		if n < 0 {
			break
		}
		to := samples[i+n]
		rate := float64(to.bytes-from.bytes) / (to.at - from.at).Seconds() / float64(maximum)
		direct := to.at < 9*time.Second // then the cache lets nothing through for a while, and much at once
		// A maximum is no promise: other work takes some of it.
		if rate > 1.05 || direct && rate < 0.75 {
			t.Errorf("from %v to %v it did %.0f %% of its maximum", from.at, to.at, 100*rate)
		}
	}
	// What waits for its turn need not wait any more.
	_, err = p.Modify(r.ID, map[string]string{"maxThroughput": "0"})
	must(t, err)
	must(t, load.Wait())
}
