package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// examples returns what a page of the documentation shows in one language, in its
// order, with an image that the host has.
func examples(t *testing.T, page, language string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs", page))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, match := range regexp.MustCompile("(?s)\n```"+language+"\n(.*?)\n```").FindAllStringSubmatch(string(text), -1) {
		found = append(found, strings.ReplaceAll(match[1], "localhost/notes:1", hosts.BusyboxImage))
	}
	return found
}

// inlinePod is a pod in a namespace with a flexVolume of these fields.
func inlinePod(namespace, name, fields string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {namespace: %s, name: %s}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: main, image: %q, command: [sleep, "1000000"], volumeMounts: [{name: data, mountPath: /data}]}
  volumes:
  - name: data
    flexVolume: {driver: mainstay.dev/volume, %s}
`, namespace, name, hosts.BusyboxImage, fields)
}

// tryFlexVolume does what docs/flexvolume.md says, and lets a claim begin to grow.
func tryFlexVolume(t *testing.T, h *hosts.Host) {
	claimed, inline := examples(t, "flexvolume.md", "yaml")[0], examples(t, "flexvolume.md", "yaml")[1]
	h.Apply(t, claimed)
	waitPod(t, h, "default", "shop")
	h.Apply(t, inline)
	waitPod(t, h, "default", "report")
	sh := func(pod, script string) string {
		t.Helper()
		output, _ := h.Command("kubectl", "exec", pod, "--", "sh", "-c", script).CombinedOutput()
		return strings.TrimSpace(string(output))
	}

	t.Run("the group owns the volume", func(t *testing.T) {
		if owner := sh("shop", "id -u; stat -c %g /orders; stat -c %g /orders/log"); owner != "1000\n2000\n2000" {
			t.Errorf("user, group of the volume and group of a new file are %q", owner)
		}
	})
	t.Run("it is as large as it was asked to be", func(t *testing.T) {
		if said := sh("shop", "dd if=/dev/zero of=/orders/fill bs=1M count=100; rm /orders/fill"); !strings.Contains(said, "No space left on device") {
			t.Errorf("100 MiB into 64 MiB: %s", said)
		}
	})
	t.Run("another pod reads and does not write", func(t *testing.T) {
		if said := sh("report", "cat /orders/log; touch /orders/x"); !strings.Contains(said, "UTC") || !strings.Contains(said, "Read-only file system") {
			t.Errorf("it says %q", said)
		}
	})
	t.Run("data outlives the pod", func(t *testing.T) {
		h.Kubectl(t, "delete", "pod", "shop", "report")
		h.Apply(t, claimed)
		waitPod(t, h, "default", "shop")
		if log := sh("shop", "cat /orders/log"); strings.Count(log, "\n") != 1 {
			t.Errorf("after two starts the log says %q", log)
		}
	})
	t.Run("another namespace has volumes of its own", func(t *testing.T) {
		h.Apply(t, inlinePod("kube-public", "stranger", "options: {volume: orders, size: 8Mi}"))
		waitPod(t, h, "kube-public", "stranger")
		if files := h.Kubectl(t, "exec", "-n", "kube-public", "stranger", "--", "ls", "-A", "/data"); files != "" {
			t.Errorf("it sees %q", files)
		}
		h.Kubectl(t, "delete", "pod", "-n", "kube-public", "stranger")
	})
	t.Run("a volume can be held to a maximum", func(t *testing.T) { tryFlexQuality(t, h) })
	t.Run("what is wrong is said in the pod's events", func(t *testing.T) { tryFlexRefusal(t, h) })
	t.Run("the driver answers by itself", func(t *testing.T) { tryFlexByHand(t, h) })
	t.Run("somebody else's driver", func(t *testing.T) { trySomebodysDriver(t, h) })
	h.Kubectl(t, "patch", "pvc", "orders", "-p", `{"spec":{"resources":{"requests":{"storage":"96Mi"}}}}`)
}

func tryFlexQuality(t *testing.T, h *hosts.Host) {
	h.Apply(t, inlinePod("default", "held", "options: {volume: held, size: 8Mi, maxThroughput: 4Gi}"))
	waitPod(t, h, "default", "held")
	record, err := os.ReadFile(filepath.Join(h.DataDir, "volumes/flex.default.held/volume.json"))
	if err != nil || !strings.Contains(string(record), `"maxThroughput": 4294967296`) {
		t.Errorf("the volume's record is %s (%v)", record, err)
	}
	h.Kubectl(t, "delete", "pod", "held")
}

func tryFlexRefusal(t *testing.T, h *hosts.Host) {
	h.Apply(t, inlinePod("default", "refused", "options: {volume: new, sise: 8Mi}"))
	hosts.Eventually(t, 60*time.Second, func(context.Context) error {
		events := h.Kubectl(t, "get", "events", "--field-selector", "involvedObject.name=refused", "-o", "jsonpath={.items[*].message}")
		if !strings.Contains(events, `there is no option "sise"; there are volume, size`) {
			return errors.New(events)
		}
		return nil
	})
	h.Kubectl(t, "delete", "pod", "refused")
}

// tryFlexByHand runs the installed driver as kubelet does.
func tryFlexByHand(t *testing.T, h *hosts.Host) {
	driver := filepath.Join(h.DataDir, "kubelet/flexvolume/mainstay.dev~volume/volume")
	for _, c := range []struct {
		answer    string
		arguments []string
	}{
		{`{"status":"Success","capabilities":{"attach":false,"selinuxRelabel":true,"supportsMetrics":true,"fsGroup":true,"requiresFSResize":true}}`, []string{"init"}},
		{`{"status":"Not supported"}`, []string{"attach", "{}", "node"}},
		{`{"status":"Failure","message":"2 arguments were given; it is: unmount DIRECTORY"}`, []string{"unmount", "-5", "-v"}},
		{`{"status":"Success"}`, []string{"unmount", "/no/such/directory"}},
	} {
		if output, err := h.Run(driver, c.arguments...).CombinedOutput(); err != nil || string(output) != c.answer+"\n" {
			t.Errorf("%v: %s (%v)", c.arguments, output, err)
		}
	}
	if said, err := os.ReadFile(filepath.Join(h.DataDir, "log/flexvolume.stderr")); len(said) > 0 {
		t.Errorf("on standard error: %s (%v)", said, err)
	}
	if output := h.Mainstay(t, "flex", "--help"); !strings.Contains(output, "expandfs OPTIONS DEVICE") {
		t.Errorf("its help is %s", output)
	}
}

// trySomebodysDriver installs the driver of the guide by the commands of the guide.
func trySomebodysDriver(t *testing.T, h *hosts.Host) {
	commands, directory := examples(t, "flexvolume.md", "sh"), t.TempDir()
	var driver, install string
	for i, text := range commands {
		if strings.HasPrefix(text, "#!/bin/sh") {
			driver, install = text, strings.ReplaceAll(commands[i+1], "/var/lib/mainstay", h.DataDir)
		}
	}
	if err := os.WriteFile(filepath.Join(directory, "scratch"), []byte(driver), 0o600); err != nil {
		t.Fatal(err)
	}
	shell := exec.Command("sh", "-ec", install)
	shell.Dir = directory
	if output, err := shell.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	h.Apply(t, examples(t, "flexvolume.md", "yaml")[2])
	waitPod(t, h, "default", "scratch")
	if size := h.Kubectl(t, "exec", "scratch", "--", "df", "-m", "/scratch"); !strings.Contains(size, "16") {
		t.Errorf("its disk is %s", size)
	}
	h.Kubectl(t, "delete", "pod", "scratch")
}

// tryFlexGrown waits until the claim has grown under its pod or, where the kernel
// does not let it, with the pod's restart.
func tryFlexGrown(t *testing.T, h *hosts.Host) {
	restarted := false
	hosts.Eventually(t, 150*time.Second, func(context.Context) error {
		status := h.Kubectl(t, "get", "pvc", "orders", "-o", "jsonpath={.status}")
		if strings.Contains(status, `"capacity":{"storage":"96Mi"}`) {
			return nil
		}
		if !restarted && strings.Contains(status, "CAP_SYS_RESOURCE") {
			restarted = true
			h.Kubectl(t, "delete", "pod", "shop")
			_, pod, _ := strings.Cut(examples(t, "flexvolume.md", "yaml")[0], "kind: Pod\n")
			h.Apply(t, "apiVersion: v1\nkind: Pod\n"+pod)
		}
		return fmt.Errorf("the claim's status is %s", status)
	})
	waitPod(t, h, "default", "shop")
	fields := strings.Fields(h.Kubectl(t, "exec", "shop", "--", "df", "-m", "/orders"))
	if size, err := strconv.Atoi(fields[len(fields)-5]); err != nil || size < 80 {
		t.Errorf("df says %v (%v)", fields, err)
	}
	h.Kubectl(t, "delete", "pod/shop", "pvc/orders", "pv/orders")
	// The data stays until somebody removes it, and then nothing uses it.
	data := filepath.Join(h.DataDir, "volumes/flex.default.orders")
	if devices := h.Output(t, "losetup", "--list"); strings.Contains(devices, data) {
		t.Errorf("the volume is still in use:\n%s", devices)
	}
	if _, err := os.Stat(filepath.Join(data, "disk.img")); err != nil {
		t.Errorf("the data went with the claim: %v", err)
	}
}

var flexPod = inlinePod("kube-public", "flex", "options: {size: 8Mi}")

// tryFlexAfterKill: a new kubelet finds what an earlier one has mounted, and
// unmounts it when the pod goes.
func tryFlexAfterKill(t *testing.T, h *hosts.Host) {
	waitPod(t, h, "kube-public", "flex")
	h.Kubectl(t, "exec", "-n", "kube-public", "flex", "--", "touch", "/data/kept")
	h.KillEngine(t)
	h.Up(t)
	h.Kubectl(t, "exec", "-n", "kube-public", "flex", "--", "stat", "/data/kept")
	h.Kubectl(t, "delete", "pod", "-n", "kube-public", "flex")
	hosts.Eventually(t, 30*time.Second, func(context.Context) error {
		if left := strings.Join(h.Stock(t)["mounts"], "\n"); strings.Contains(left, "mainstay.dev~volume") {
			return errors.New(left)
		}
		return nil
	})
	h.Apply(t, flexPod)
	waitPod(t, h, "kube-public", "flex")
	h.Kubectl(t, "exec", "-n", "kube-public", "flex", "--", "stat", "/data/kept")
}

// waitPod waits until a pod is Ready.
func waitPod(t *testing.T, h *hosts.Host, namespace, name string) {
	t.Helper()
	h.Kubectl(t, "wait", "--for=condition=Ready", "-n", namespace, "pod/"+name, "--timeout=60s")
}
