package flex

import (
	"context"
	"os"
	"strings"
	"testing"

	"k8s.io/kubernetes/pkg/volume/flexvolume"
)

func TestInit(t *testing.T) {
	n := newNode(t)
	want := flexvolume.DriverCapabilities{SELinuxRelabel: true, SupportsMetrics: true, FSGroup: true, RequiresFSResize: true}
	status := n.call(t, "init")
	if status.Status != flexvolume.StatusSuccess || status.Capabilities == nil || *status.Capabilities != want {
		t.Errorf("init answers %+v, %+v", status, status.Capabilities)
	}
	// The script answers init by itself; the program says the same.
	if got := string(answerTo(context.Background(), nil, []string{"init"}).line()); got != string(initialized().line()) {
		t.Errorf("the program answers %s", got)
	}
}

// What is not supported, and what is refused before anything is touched.
func TestAnswers(t *testing.T) {
	n := newNode(t)
	free := n.path("free")
	for _, c := range []struct {
		why, status, says string
		arguments         []string
	}{
		{"nothing to attach", "Not supported", "", []string{"attach", options(), "node-1"}},
		{"nothing to attach", "Not supported", "", []string{"detach", "data", "node-1"}},
		{"nothing to attach", "Not supported", "", []string{"waitforattach", "/dev/x", options()}},
		{"nothing to attach", "Not supported", "", []string{"isattached", options(), "node-1"}},
		{"no device of its own", "Not supported", "", []string{"mountdevice", free, "/dev/x", options()}},
		{"no device of its own", "Not supported", "", []string{"unmountdevice", free}},
		{"the volume's name is as good", "Not supported", "", []string{"getvolumename", options()}},
		{"the node does it", "Not supported", "", []string{"expandvolume", options(), "/dev/x", "2", "1"}},
		{"no such call", "Not supported", "", []string{"nonsense"}},
		{"an empty call", "Not supported", "", []string{""}},
		{"a flag", "Not supported", "", []string{"--help"}},

		{"no call", "Failure", "no callout was given", nil},
		{"too little", "Failure", "it is: mount DIRECTORY OPTIONS", []string{"mount", free}},
		{"too much", "Failure", "it is: unmount DIRECTORY", []string{"unmount", free, free}},
		{"too little", "Failure", "it is: expandfs OPTIONS DEVICE DIRECTORY NEW-SIZE OLD-SIZE", []string{"expandfs"}},
		{"options that are none", "Failure", "not a JSON object", []string{"mount", free, "size=1Gi"}},
		{"a path that is relative", "Failure", "not an absolute path", []string{"mount", "pods/free", options("size", "8Mi")}},
		{"an empty path", "Failure", "not an absolute path", []string{"unmount", ""}},
		{"a new volume without a size", "Failure", "volume default/data is to be made; say how large", []string{"mount", free, options()}},
		{"a new volume for reading only", "Failure", "a pod that writes to it must be first", []string{"mount", free, options("size", "8Mi", readWriteKey, "ro")}},
		{"a limit that no volume has", "Failure", "cannot be had", []string{"mount", free, options("size", "9223372036854775808")}},
		{"more than the pool has", "Failure", "not enough space", []string{"mount", free, options("size", "15Ti")}},
		{"a promise of a pool that was not measured", "Failure", "mainstay pool probe", []string{"mount", free, options("size", "8Mi", "minIops", "100")}},
		{"nothing to expand", "Failure", "no volume is mounted", []string{"expandfs", options(), "", free, "16777216", "8388608"}},
		{"no new size", "Failure", "the new size", []string{"expandfs", options(), "", free, "", "8388608"}},
		{"a negative size", "Failure", "the new size", []string{"expandfs", options(), "", free, "-5", "-10"}},
	} {
		status := n.call(t, c.arguments...)
		if status.Status != c.status || !strings.Contains(status.Message, c.says) {
			t.Errorf("%s: %v: %+v, want %s with %q", c.why, c.arguments, status, c.status, c.says)
		}
	}
	if volumes, err := n.pool.List(); err != nil || len(volumes) != 0 {
		t.Errorf("volumes were made: %v (%v)", volumes, err)
	}
	if _, err := os.Stat(free); !os.IsNotExist(err) {
		t.Errorf("a refusal left %s (%v)", free, err)
	}
}

// A file system that is not the pool's is never unmounted or grown.
func TestForeignMount(t *testing.T) {
	n := newNode(t)
	foreign := n.path("foreign")
	must(t, os.MkdirAll(foreign, 0o700))
	mountTmpfs(t, foreign)
	for _, arguments := range [][]string{
		{"unmount", foreign},
		{"expandfs", options(), "", foreign, "16777216", "8388608"},
		{"mount", foreign, options("size", "8Mi")},
	} {
		if status := n.call(t, arguments...); status.Status != "Failure" || !strings.Contains(status.Message, "is mounted at "+foreign) {
			t.Errorf("%v: %+v", arguments, status)
		}
	}
}

// There is an answer also to a panic.
func TestPanicIsAnswered(t *testing.T) {
	got := safely(func() answer { panic("index out of range") })
	if got.Status != statusFailure || !strings.Contains(got.Message, "please report it: index out of range") {
		t.Errorf("the answer is %+v", got)
	}
}

// A pool that cannot be used is named.
func TestBadPool(t *testing.T) {
	n := newNode(t)
	must(t, os.RemoveAll(n.poolDir))
	must(t, os.WriteFile(n.poolDir, nil, 0o600))
	status := n.call(t, "mount", n.path("pod"), options("size", "8Mi"))
	must(t, os.Remove(n.poolDir))
	if status.Status != "Failure" || !strings.Contains(status.Message, n.poolDir) {
		t.Errorf("a file as a pool: %+v", status)
	}
}
