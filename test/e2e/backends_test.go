package e2e

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/internal/volume/quota"
	"github.com/mainstay-io/mainstay/test/hosts"
)

// tryBackends does what docs/backends.md says. Where the machine's file system has
// project quotas, the claim gets a directory of its size; where it has none, the
// claim says so.
func tryBackends(t *testing.T, h *hosts.Host) {
	h.Apply(t, examples(t, "backends.md", "yaml")[0])
	h.Apply(t, fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: index}
spec:
  terminationGracePeriodSeconds: 1
  securityContext: {runAsUser: 1000, fsGroup: 2000}
  containers:
  - {name: main, image: %q, command: [sleep, "1000000"], volumeMounts: [{name: data, mountPath: /data}]}
  volumes: [{name: data, persistentVolumeClaim: {claimName: index}}]
`, hosts.BusyboxImage))
	if enforced, err := quota.Enforced(filepath.Join(h.DataDir, "volumes")); err == nil && enforced {
		waitPod(t, h, "default", "index")
		if size := h.Kubectl(t, "exec", "index", "--", "df", "-m", "/data"); !strings.Contains(size, " 64 ") {
			t.Errorf("in the pod it is this large: %s", size)
		}
		if group := h.Kubectl(t, "exec", "index", "--", "sh", "-c", "touch /data/x && stat -c %g /data/x"); strings.TrimSpace(group) != "2000" {
			t.Errorf("a new file has the group %s", group)
		}
	} else {
		hosts.Eventually(t, time.Minute, func(context.Context) error {
			if events := h.Kubectl(t, "describe", "pvc", "index"); !strings.Contains(events, "mount it with the option prjquota") {
				return errors.New("the claim does not say what to do: " + events)
			}
			return nil
		})
	}
	h.Kubectl(t, "delete", "pod/index", "pvc/index", "storageclass/directories", "--wait=false")
}
