package e2e

import (
	"context"
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// tryTooMuch makes a pod whose claim asks for more than the pool may promise.
func tryTooMuch(t *testing.T, h *hosts.Host) {
	h.Apply(t, fmt.Sprintf(`
apiVersion: storage.k8s.io/v1
kind: VolumeAttributesClass
metadata: {name: impossible}
driverName: volume.mainstay.dev
parameters: {minIops: 1G}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: greedy}
spec:
  accessModes: [ReadWriteOnce]
  volumeAttributesClassName: impossible
  resources: {requests: {storage: 16Mi}}
---
apiVersion: v1
kind: Pod
metadata: {name: greedy}
spec:
  containers: [{name: main, image: %q}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: greedy}}]
`, hosts.BusyboxImage))
	lacks := regexp.MustCompile(`pool default of node \S+: \d+ IOPS left of \d+ IOPS, 1000000000 IOPS asked`)
	for _, object := range []string{"pvc", "pod"} {
		hosts.Eventually(t, 30*time.Second, func(context.Context) error {
			if described := h.Kubectl(t, "describe", object, "greedy"); !lacks.MatchString(described) {
				return fmt.Errorf("the %s does not say which pool lacks what: %s", object, described)
			}
			return nil
		})
	}
	h.Kubectl(t, "delete", "pod/greedy", "pvc/greedy", "volumeattributesclass/impossible", "--wait=false")
}
