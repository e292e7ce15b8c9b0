package e2e

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// tryPerformance does what docs/performance.md says: a claim waits until the pool
// was measured, gets its promise, and is changed to a maximum while a pod uses it.
func tryPerformance(t *testing.T, h *hosts.Host) {
	shown := examples(t, "performance.md", "yaml")
	claim, class := shown[0], shown[1]
	h.Apply(t, class)
	h.Apply(t, claim)
	h.Apply(t, fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: billing}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: main, image: %q, command: [sleep, "1000000"], volumeMounts: [{name: data, mountPath: /data}]}
  volumes: [{name: data, persistentVolumeClaim: {claimName: billing}}]
`, hosts.BusyboxImage))
	hosts.Eventually(t, time.Minute, func(context.Context) error {
		if events := h.Kubectl(t, "describe", "pvc", "billing"); !strings.Contains(events, "run `mainstay pool probe`") {
			return fmt.Errorf("the claim does not say what to do: %s", events)
		}
		return nil
	})
	if out := h.Mainstay(t, "pool", "probe", "--each", "300ms"); !strings.Contains(out, "can now promise") {
		t.Errorf("mainstay pool probe: %s", out)
	}
	waitPod(t, h, "default", "billing")
	pools := func(path, want string) func(context.Context) error {
		return func(context.Context) error {
			if got := h.Kubectl(t, "get", "pools", "-o", "jsonpath={.items[0].status."+path+"}"); got != want {
				return fmt.Errorf("%s of the pool is %q, expected %q", path, got, want)
			}
			return nil
		}
	}
	hosts.Eventually(t, 30*time.Second, pools("promised.iops", "250"))
	t.Run("a claim that asks for too much says which pool lacks what", func(t *testing.T) { tryTooMuch(t, h) })

	h.Kubectl(t, "patch", "pvc", "billing", "-p", `{"spec":{"volumeAttributesClassName":"modest"}}`)
	hosts.Eventually(t, 30*time.Second, func(context.Context) error {
		if got := h.Kubectl(t, "get", "pvc", "billing", "-o", "jsonpath={.status.currentVolumeAttributesClassName}"); got != "modest" {
			return fmt.Errorf("the claim has class %q", got)
		}
		return nil
	})
	hosts.Eventually(t, 30*time.Second, pools(`volumes[?(@.claim=="default/billing")].maxThroughput`, "2Mi"))
	hosts.Eventually(t, 30*time.Second, pools("promised.iops", ""))
	if out := h.Mainstay(t, "volumes", "--namespace", "default"); !regexp.MustCompile(`(?m)^default +billing +Bound .* 2Mi/s +billing `).MatchString(out) {
		t.Errorf("mainstay volumes:\n%s", out)
	}
	begun := time.Now()
	h.Kubectl(t, "exec", "billing", "--", "dd", "if=/dev/zero", "of=/data/file", "bs=64k", "count=192", "conv=fsync")
	if took := time.Since(begun); took < 5*time.Second {
		t.Errorf("12 MiB were written in %v, at most 2 MiB a second are allowed", took)
	}
	h.Kubectl(t, "delete", "pod/billing", "pvc/billing", "volumeattributesclass/modest", "--wait=false")
}
