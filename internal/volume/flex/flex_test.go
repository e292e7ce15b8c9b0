package flex

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"k8s.io/kubernetes/pkg/volume/flexvolume"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/volumetest"
)

// With this variable set the test's program is the driver's.
const poolVariable = "MAINSTAY_TEST_FLEX_POOL"

func TestMain(m *testing.M) {
	if pool := os.Getenv(poolVariable); pool != "" {
		Run(context.Background(), func() (*volume.Pools, error) {
			return volume.NewPools([]volume.Place{{Name: volume.DefaultPool, Path: pool}, {Name: "fast", Path: pool + "-fast"}}, pool+"-state")
		}, os.Args[1:], os.Stdout)
		return
	}
	os.Exit(m.Run())
}

// node is a machine's pool, and the driver as it is installed.
type node struct {
	dir, driver, poolDir string
	pool                 *volume.Pool
}

func newNode(t *testing.T) node {
	t.Helper()
	volumetest.RequireRoot(t)
	dir := volumetest.Dir(t)
	n := node{dir: dir, poolDir: filepath.Join(dir, "pool"), driver: filepath.Join(dir, "plugins", "mainstay.dev~volume", "volume")}
	must(t, Install(filepath.Join(dir, "plugins"), Installation{Program: os.Args[0], ErrorLog: filepath.Join(dir, "stderr")}))
	var err error
	n.pool, err = volume.Open(n.poolDir)
	must(t, err)
	t.Cleanup(func() {
		must(t, volume.Cleanup(n.poolDir, dir))
		if said, _ := os.ReadFile(filepath.Join(dir, "stderr")); len(said) > 0 {
			t.Errorf("on standard error: %s", said)
		}
	})
	return n
}

func (n node) command(arguments ...string) *exec.Cmd {
	command := exec.Command(n.driver, arguments...)
	command.Env = append(os.Environ(), poolVariable+"="+n.poolDir)
	return command
}

// call runs the driver and reads its answer as kubelet does: all output, into
// kubelet's own type.
func (n node) call(t *testing.T, arguments ...string) flexvolume.DriverStatus {
	t.Helper()
	output, err := n.command(arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v: %s", arguments, err, output)
	}
	var status flexvolume.DriverStatus
	if err := json.Unmarshal(output, &status); err != nil {
		t.Fatalf("%v: %v: %s", arguments, err, output)
	}
	return status
}

func (n node) mustCall(t *testing.T, arguments ...string) {
	t.Helper()
	if status := n.call(t, arguments...); status.Status != flexvolume.StatusSuccess {
		t.Fatalf("%v: %+v", arguments, status)
	}
}

// path is where a pod has its volume.
func (n node) path(pod string) string { return filepath.Join(n.dir, "pods", pod) }

// options are what kubelet passes for a pod in the namespace default, with pairs
// of further keys and values.
func options(more ...string) string {
	all := map[string]string{
		"kubernetes.io/fsType":              "",
		"kubernetes.io/readwrite":           "rw",
		"kubernetes.io/pvOrVolumeName":      "data",
		"kubernetes.io/pod.name":            "db-0",
		"kubernetes.io/pod.namespace":       "default",
		"kubernetes.io/pod.uid":             "0b2c9e0c-7f7e-4a6c-b0a5-2f6f0d5c1a11",
		"kubernetes.io/serviceAccount.name": "default",
		"kubernetes.io/mounterArgs.FsGroup": "2000",
	}
	for i := 0; i+1 < len(more); i += 2 {
		all[more[i]] = more[i+1]
	}
	text, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
