package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/test/hosts"
)

// localManifest is a set of one pet with a volume on its machine's own disk.
const localManifest = `
apiVersion: mainstay.dev/v1alpha1
kind: PetSet
metadata: {name: NAME}
spec:
  selector: {matchLabels: {app: NAME}}
  volumeLoss: {policy: POLICY, after: 5s}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      terminationGracePeriodSeconds: 1
      affinity:
        nodeAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
          - weight: 100
            preference: {matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [HOST]}]}
      containers:
      - name: pet
        image: ` + petImage + `
        command: [sleep, infinity]
        volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 64Mi}}}
`

// tryVolumeLoss loses the node of two pets whose volumes are there and nowhere else. One
// starts elsewhere with an empty volume, and its former one is kept, and left alone when
// the node is back. The other waits for the node, and has its volume back.
func (c *cluster) tryVolumeLoss(t *testing.T) {
	lost := c.nodes[0]
	for name, policy := range map[string]v1alpha1.VolumeLossPolicy{"moves": v1alpha1.VolumeLossRecreate, "waits": v1alpha1.VolumeLossWait} {
		c.server.Apply(t, strings.NewReplacer("NAME", name, "POLICY", string(policy), "HOST", lost.Name).Replace(localManifest))
	}
	for _, pet := range []string{"moves-0", "waits-0"} {
		if _, on := c.pet(t, pet); on != lost {
			t.Fatalf("%s is on %s", pet, on.Name)
		}
		c.server.Kubectl(t, "exec", pet, "--", "sh", "-c", "echo "+pet+" > /data/name; sync")
	}
	kept := c.claim(t, "data-moves-0").Spec.VolumeName

	powerOff(t, c, lost)
	c.waitOn(t, "moves-0", c.nodes[1])
	if found := c.server.Kubectl(t, "exec", "moves-0", "--", "ls", "-A", "/data"); strings.Contains(found, "name") {
		t.Errorf("the new volume is not empty: %s", found)
	}
	checkKept := func() {
		volume, err := c.api.CoreV1().PersistentVolumes().Get(t.Context(), kept, meta.GetOptions{})
		must(t, err)
		if volume.Status.Phase != core.VolumeReleased || volume.Spec.PersistentVolumeReclaimPolicy != core.PersistentVolumeReclaimRetain ||
			volume.Annotations[v1alpha1.LostAnnotation] == "" {
			t.Errorf("the volume that was lost is %s, to be %s, %v", volume.Status.Phase, volume.Spec.PersistentVolumeReclaimPolicy, volume.Annotations)
		}
		if now := c.claim(t, "data-moves-0").Spec.VolumeName; now == kept {
			t.Errorf("the pet's claim has %s again", now)
		}
	}
	hosts.Eventually(t, 10*time.Second, func(ctx context.Context) error {
		volume, err := c.api.CoreV1().PersistentVolumes().Get(ctx, kept, meta.GetOptions{})
		if err == nil && volume.Status.Phase != core.VolumeReleased {
			err = errors.New("the volume that was lost is not released")
		}
		return err
	})
	checkKept()
	waits := c.server.Kubectl(t, "get", "petset", "waits")
	if !strings.Contains(waits, "waits-0") {
		t.Errorf("it does not say for what it waits:\n%s", waits)
	}

	powerOn(t, c, lost)
	c.waitMember(t, lost)
	c.waitOn(t, "waits-0", lost)
	if found := strings.TrimSpace(c.server.Kubectl(t, "exec", "waits-0", "--", "cat", "/data/name")); found != "waits-0" {
		t.Errorf("in its volume the pet that waited found %q", found)
	}
	c.waitOn(t, "moves-0", c.nodes[1])
	checkKept()
}

func (c *cluster) claim(t *testing.T, name string) *core.PersistentVolumeClaim {
	t.Helper()
	claim, err := c.api.CoreV1().PersistentVolumeClaims(core.NamespaceDefault).Get(t.Context(), name, meta.GetOptions{})
	must(t, err)
	return claim
}

// waitOn waits until a pet is Ready on a node.
func (c *cluster) waitOn(t *testing.T, pet string, h *hosts.Host) {
	t.Helper()
	hosts.Eventually(t, time.Minute, func(ctx context.Context) error {
		pod, err := c.api.CoreV1().Pods(core.NamespaceDefault).Get(ctx, pet, meta.GetOptions{})
		if err == nil && (pod.Spec.NodeName != h.Name || !isReady(pod)) {
			err = fmt.Errorf("%s is not Ready on %s, but %s on %q", pet, h.Name, pod.Status.Phase, pod.Spec.NodeName)
		}
		return err
	})
}
