package e2e

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/mainstay-io/mainstay/test/hosts"
)

func tryCommands(t *testing.T, h *hosts.Host) {
	if output := h.Up(t); !strings.Contains(output, "runs already") {
		t.Errorf("a second up says:\n%s", output)
	}

	kubeconfig := strings.TrimSpace(h.Mainstay(t, "kubeconfig"))
	info, err := os.Stat(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("%s has mode %v; others could read it", kubeconfig, info.Mode())
	}

	var status struct {
		Engine struct{ Ready bool }
		Nodes  []struct {
			Name  string
			Ready bool
		}
		Problems []string
	}
	if err := json.Unmarshal([]byte(h.Output(t, os.Getenv("MAINSTAY_BINARY"), "status", "-o", "json")), &status); err != nil {
		t.Fatal(err)
	}
	if !status.Engine.Ready || len(status.Nodes) != 1 || !status.Nodes[0].Ready || len(status.Problems) != 0 {
		t.Errorf("status is %+v", status)
	}

	if images := h.Mainstay(t, "image", "list"); !strings.Contains(images, hosts.BusyboxImage) {
		t.Errorf("image list lacks what was imported:\n%s", images)
	}
	if output, err := h.Command("image", "import", "/no/such/file").CombinedOutput(); err == nil || !strings.Contains(string(output), "there is no file") {
		t.Errorf("importing a missing file: %v\n%s", err, output)
	}
}
