package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// breakPromise promises the claim billing more than any disk does, as would a disk
// that became slower than it was when it was measured, and keeps its volume busy.
// Other tests go on meanwhile.
func breakPromise(t *testing.T, h *hosts.Host) {
	pool := h.Kubectl(t, "get", "pools", "-o", "jsonpath={.items[0].spec.directory}")
	measured := filepath.Join(pool, "envelope.json")
	fast := `{"readIops": 10000000, "writeIops": 10000000, "readThroughput": 1000000000000, "writeThroughput": 1000000000000, "writeLatencyNanoseconds": 1000, "measured": "2026-01-02T03:04:05Z"}`
	if err := os.WriteFile(measured, []byte(fast), 0o600); err != nil {
		t.Fatal(err)
	}
	h.Apply(t, `
apiVersion: storage.k8s.io/v1
kind: VolumeAttributesClass
metadata: {name: impossible}
driverName: volume.mainstay.dev
parameters: {minIops: "500000", maxThroughput: "0"}
`)
	h.Kubectl(t, "patch", "pvc", "billing", "-p", `{"spec":{"volumeAttributesClassName":"impossible"}}`)
	mounts, err := filepath.Glob(filepath.Join(h.DataDir, "kubelet/pods/*/volumes/kubernetes.io~csi", h.Kubectl(t, "get", "pvc", "billing", "-o", "jsonpath={.spec.volumeName}"), "mount"))
	if err != nil || len(mounts) != 1 {
		t.Fatalf("the volume is mounted at %v (%v)", mounts, err)
	}
	for i := range 4 {
		go keepBusy(filepath.Join(mounts[0], fmt.Sprint("busy", i)))
	}
}

// keepBusy writes to a file, each write durable, until the file is removed.
func keepBusy(path string) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_SYNC, 0o600)
	if err != nil {
		return // the claim will not say what is expected
	}
	defer file.Close()
	for err == nil {
		if _, gone := os.Stat(path); gone != nil {
			return
		}
		_, err = file.WriteAt(make([]byte, 4096), 0)
	}
}

// tryBreach expects the claim to say that its promise is broken, and that that is
// over when it is promised no more.
func tryBreach(t *testing.T, h *hosts.Host) {
	hosts.Eventually(t, time.Minute, billingSays(t, h, "PerformanceBreached", "True PromiseBroken: Promised 500000 IOPS; got "))
	if events := h.Kubectl(t, "get", "events", "--field-selector", "reason=PromiseBroken,type=Warning,involvedObject.name=billing", "-o", "name"); strings.Count(events, "event/") != 1 {
		t.Errorf("events of the broken promise: %q", events)
	}
	hosts.Eventually(t, 45*time.Second, func(context.Context) error {
		out := h.Mainstay(t, "volumes", "--namespace", "default")
		for line := range strings.Lines(out) {
			if strings.Contains(line, " billing ") && strings.Contains(line, "500000 IOPS ") && strings.Contains(line, " (less than promised) ") && !strings.Contains(line, " idle ") {
				return nil
			}
		}
		return errors.New("mainstay volumes: " + out)
	})
	metrics := h.Kubectl(t, "get", "--raw", "/api/v1/nodes/"+h.Kubectl(t, "get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")+"/proxy/metrics")
	for _, want := range []string{"promised_iops", "achieved_iops", "breached", "breach_seconds_total", "request_duration_seconds_count"} {
		if value := metricOf(metrics, "mainstay_volume_"+want, "billing"); value == "" || value == "0" {
			t.Errorf("the metric %s is %q", want, value)
		}
	}
	h.Kubectl(t, "patch", "pvc", "billing", "-p", `{"spec":{"volumeAttributesClassName":"best-effort"}}`)
	hosts.Eventually(t, time.Minute, billingSays(t, h, "PerformanceBreached", ""))
	h.Kubectl(t, "exec", "billing", "--", "sh", "-c", "rm /data/busy*")
	tryAbnormal(t, h)
	h.Kubectl(t, "delete", "pod/billing", "pvc/billing", "volumeattributesclass/modest", "volumeattributesclass/impossible", "--wait=false")
}

// tryAbnormal takes the last byte of a volume's image, which nobody reads, and
// gives it back.
func tryAbnormal(t *testing.T, h *hosts.Host) {
	image := filepath.Join(h.Kubectl(t, "get", "pools", "-o", "jsonpath={.items[0].spec.directory}"),
		h.Kubectl(t, "get", "pvc", "billing", "-o", "jsonpath={.spec.volumeName}"), "disk.img")
	was, err := os.Stat(image)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, was.Size()-1); err != nil {
		t.Fatal(err)
	}
	hosts.Eventually(t, 30*time.Second, billingSays(t, h, "VolumeAbnormal", "True VolumeConditionAbnormal: data is lost: "))
	for command, says := range map[string]string{"status": "the volume of claim default/billing: data is lost", "volumes": "Abnormal"} {
		if out := h.Mainstay(t, command); !strings.Contains(out, says) {
			t.Errorf("mainstay %s does not say %q:\n%s", command, says, out)
		}
	}
	if err := os.Truncate(image, was.Size()); err != nil {
		t.Fatal(err)
	}
	hosts.Eventually(t, 30*time.Second, billingSays(t, h, "VolumeAbnormal", "False VolumeConditionNormal: "))
}

// billingSays checks how a condition of the claim billing begins; empty: there is none.
func billingSays(t *testing.T, h *hosts.Host, kind, want string) func(context.Context) error {
	return func(context.Context) error {
		got := h.Kubectl(t, "get", "pvc", "billing", "-o", `jsonpath={range .status.conditions[?(@.type=="mainstay.dev/`+kind+`")]}{.status} {.reason}: {.message}{end}`)
		if !strings.HasPrefix(got, want) || want == "" && got != "" {
			return fmt.Errorf("the condition %s is %q, expected %q", kind, got, want)
		}
		return nil
	}
}

// metricOf gives the value of a claim's metric, as text.
func metricOf(metrics, name, claim string) string {
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, name+"{") && strings.Contains(line, `persistentvolumeclaim="`+claim+`"`) {
			return line[strings.LastIndex(line, " ")+1 : len(line)-1]
		}
	}
	return ""
}
