package e2e

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// TestLife takes an engine through stopping, starting, a snapshot and its
// restoration, and purging.
func TestLife(t *testing.T) {
	before := takeStock(t)
	h := hosts.New(t, 3)
	fresh := h.Stock(t)
	h.Up(t)
	h.ImportBusybox(t)
	h.Apply(t, webSet)
	h.Apply(t, flexPod)
	waitReady(t, h, "web", 3)
	waitPod(t, h, "kube-public", "flex")

	t.Run("down stops pods in order and keeps all data", func(t *testing.T) { tryDown(t, h, fresh) })
	t.Run("a snapshot brings back what was deleted", func(t *testing.T) { trySnapshot(t, h) })
	t.Run("feature gates are remembered", func(t *testing.T) { tryFeatureGate(t, h) })
	t.Run("a FlexVolume outlives the engine", func(t *testing.T) { tryFlexAfterKill(t, h) })
	t.Run("purge leaves nothing, even after a kill", func(t *testing.T) {
		h.KillEngine(t)
		h.Mainstay(t, "down", "--purge", "--yes")
		compare(t, "on the host", fresh, h.Stock(t))
		compareMachine(t, before, h)
	})
}

func tryDown(t *testing.T, h *hosts.Host, fresh hosts.Stock) {
	uids := map[string]string{}
	for _, pod := range pets(t, h, "web") {
		uids[pod.Name] = string(pod.UID)
	}
	if stopped, want := downInOrder(t, h), []string{"web-2", "web-1", "web-0"}; !slices.Equal(stopped, want) {
		t.Errorf("the pods were stopped in the order %v, not %v", stopped, want)
	}
	compare(t, "after down, but for the data", fresh, h.Stock(t))

	h.Mainstay(t, "down") // once more is harmless
	h.Up(t, "--wait", "--feature-gates=MaxUnavailableStatefulSet=true")
	waitReady(t, h, "web", 3)
	for _, pod := range pets(t, h, "web") {
		if string(pod.UID) != uids[pod.Name] {
			t.Errorf("%s is another pod after down and up", pod.Name)
		}
		content := h.Kubectl(t, "exec", pod.Name, "--", "cat", "/data/index.html")
		if want := strings.Repeat(pod.Name+"\n", 2); content != want {
			t.Errorf("the volume of %s says %q, not %q", pod.Name, content, want)
		}
	}
}

// tryFeatureGate: a gate that was once opened stays open.
func tryFeatureGate(t *testing.T, h *hosts.Host) {
	h.Kubectl(t, "patch", "statefulset", "web", "-p", `{"spec":{"updateStrategy":{"rollingUpdate":{"maxUnavailable":2}}}}`)
	if limit := h.Kubectl(t, "get", "statefulset", "web", "-o", "jsonpath={.spec.updateStrategy.rollingUpdate.maxUnavailable}"); limit != "2" {
		t.Errorf("maxUnavailable is %q, not 2: its feature gate is closed", limit)
	}
}

// downInOrder stops Mainstay and returns the pods in the order in which it says
// that it stops them.
func downInOrder(t *testing.T, h *hosts.Host) []string {
	t.Helper()
	var stopped []string
	for _, line := range strings.Split(h.Mainstay(t, "down"), "\n") {
		if _, pod, found := strings.Cut(line, "stopping pod default/"); found {
			stopped = append(stopped, pod)
		}
	}
	return stopped
}

func trySnapshot(t *testing.T, h *hosts.Host) {
	file := filepath.Join(t.TempDir(), "state")
	h.Kubectl(t, "create", "configmap", "kept", "--from-literal=a=b")
	h.Kubectl(t, "create", "secret", "generic", "kept", "--from-literal=a=b")
	h.Mainstay(t, "snapshot", "save", file)
	h.Kubectl(t, "delete", "configmap", "kept")
	h.Kubectl(t, "create", "configmap", "later", "--from-literal=a=b")

	if output, err := h.Command("snapshot", "restore", file).CombinedOutput(); err == nil || !strings.Contains(string(output), "mainstay down") {
		t.Errorf("restoring under a running engine: %v\n%s", err, output)
	}
	h.Mainstay(t, "down")
	h.Mainstay(t, "snapshot", "restore", file)
	h.Up(t, "--wait")
	if value := h.Kubectl(t, "get", "configmap,secret", "kept", "-o", "jsonpath={.items[*].kind}"); value != "ConfigMap Secret" {
		t.Errorf("of what was saved, this is back: %q", value)
	}
	if output, err := h.Command("kubectl", "get", "configmap", "later").CombinedOutput(); err == nil {
		t.Errorf("what came after the snapshot is still there:\n%s", output)
	}
	waitReady(t, h, "web", 3)

	notOne := filepath.Join(t.TempDir(), "not-a-snapshot")
	if err := h.Run("sh", "-c", "echo nonsense > "+notOne).Run(); err != nil {
		t.Fatal(err)
	}
	h.Mainstay(t, "down")
	if output, err := h.Command("snapshot", "restore", notOne).CombinedOutput(); err == nil || !strings.Contains(string(output), "no snapshot") {
		t.Errorf("restoring nonsense: %v\n%s", err, output)
	}
	h.Up(t, "--wait")
	waitReady(t, h, "web", 3)
}
