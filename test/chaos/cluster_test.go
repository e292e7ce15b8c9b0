package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/mainstay-io/mainstay/internal/fence"
	"github.com/mainstay-io/mainstay/internal/fence/agent"
	"github.com/mainstay-io/mainstay/test/hosts"
	"github.com/mainstay-io/mainstay/test/hosts/network"
	"github.com/mainstay-io/mainstay/test/netdisk/netdisktest"
)

const (
	petImage = "mainstay.dev/test/pet:1"
	petPod   = "pet-0"
	// patience is how long a disk waits for its server before it fails: longer than a
	// node may be away.
	patience = 30 * time.Second
)

// petManifest is a set of one pet, which writes to a disk on the network.
const petManifest = `
apiVersion: v1
kind: Service
metadata: {name: pet}
spec: {clusterIP: None, selector: {app: pet}, ports: [{port: 80}]}
---
apiVersion: mainstay.dev/v1alpha1
kind: PetSet
metadata: {name: pet}
spec:
  serviceName: pet
  selector: {matchLabels: {app: pet}}
  template:
    metadata: {labels: {app: pet}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: pet
        image: ` + petImage + `
        env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
        readinessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 1}
        volumeMounts: [{name: data, mountPath: /data}, {name: beats, mountPath: /beats}]
      volumes: [{name: beats, hostPath: {path: BEATS}}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], storageClassName: netdisk, resources: {requests: {storage: 64Mi}}}
`

// cluster is a server, and nodes for pets.
type cluster struct {
	*hosts.Network
	whole  *testing.T // not one of its parts
	server *hosts.Host
	nodes  []*hosts.Host
	disks  *netdisktest.Server
	api    kubernetes.Interface
	beats  string // file
	story  *story
	client *client
}

// start makes a cluster, on which nothing runs yet.
func start(t *testing.T) *cluster {
	t.Helper()
	n := hosts.NewNetwork(t, 15, network.Options{Hosts: 3, DiskBytes: 8 << 30})
	c := &cluster{Network: n, whole: t, server: n.Hosts[0], nodes: n.Hosts[1:], beats: filepath.Join(t.TempDir(), "beats")}
	c.disks = netdisktest.Start(t, n.Network)
	for _, h := range n.Hosts {
		c.startDriver(h)
	}
	c.server.Up(t)
	c.api = c.server.Client(t)
	c.server.Apply(t, netdisktest.Manifest)
	token := c.server.Token(t)
	together(c.nodes, func(h *hosts.Host) { h.Join(t, token) })
	if t.Failed() {
		t.FailNow()
	}
	c.server.Kubectl(t, "cordon", c.server.Name) // pets run on machines that can be lost
	return c
}

// startDriver starts the disks' driver, until the whole test ends or the host's power.
func (c *cluster) startDriver(h *hosts.Host) {
	c.disks.StartDriver(c.whole, h.Virtual, filepath.Join(h.DataDir, "kubelet"), patience)
}

func together(all []*hosts.Host, do func(*hosts.Host)) {
	var each sync.WaitGroup
	for _, h := range all {
		each.Go(func() { do(h) })
	}
	each.Wait()
}

// startPet starts the pet and its client.
func (c *cluster) startPet(t *testing.T) {
	t.Helper()
	image := hosts.WriteProgramImage(t, "./pet", petImage)
	together(c.nodes, func(h *hosts.Host) {
		if output, err := h.Command("image", "import", image).CombinedOutput(); err != nil {
			t.Errorf("import the pet's image: %v: %s", err, output)
		}
	})
	if err := os.WriteFile(c.beats, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c.server.Apply(t, strings.Replace(petManifest, "BEATS", filepath.Dir(c.beats), 1))
	c.pet(t, petPod)
	c.client = startClient(t, c.server)
}

// pet waits until a pet is Ready, and returns its pod and its host.
func (c *cluster) pet(t *testing.T, name string) (pod *core.Pod, on *hosts.Host) {
	t.Helper()
	hosts.Eventually(t, time.Minute, func(ctx context.Context) (err error) {
		if pod, err = c.api.CoreV1().Pods("default").Get(ctx, name, meta.GetOptions{}); err != nil {
			return err
		}
		if !isReady(pod) || pod.DeletionTimestamp != nil {
			return fmt.Errorf("%s on %q is not Ready: %s", name, pod.Spec.NodeName, pod.Status.Phase)
		}
		return nil
	})
	i := slices.IndexFunc(c.nodes, func(h *hosts.Host) bool { return h.Name == pod.Spec.NodeName })
	if i < 0 {
		t.Fatalf("%s is on %q", name, pod.Spec.NodeName)
	}
	return pod, c.nodes[i]
}

// lease reads the lease of the fence that a node has.
func (c *cluster) lease(ctx context.Context, node string) (fence.Lease, error) {
	object, err := c.api.CoordinationV1().Leases(agent.Namespace).Get(ctx, node, meta.GetOptions{})
	if err != nil {
		return fence.Lease{}, err
	}
	return fence.FromObject(object)
}

// waitMember waits until a node is a member like any other: Ready, without a taint,
// with disks, and a lease that it renews.
func (c *cluster) waitMember(t *testing.T, h *hosts.Host) {
	t.Helper()
	var before fence.Lease
	hosts.Eventually(t, time.Minute, func(ctx context.Context) error {
		node, err := c.api.CoreV1().Nodes().Get(ctx, h.Name, meta.GetOptions{})
		if err != nil {
			return err
		}
		taints := slices.DeleteFunc(node.Spec.Taints, func(taint core.Taint) bool { return taint.Key == core.TaintNodeUnschedulable })
		if len(taints) > 0 {
			return fmt.Errorf("%s is tainted: %v", h.Name, taints)
		}
		ready := slices.ContainsFunc(node.Status.Conditions, func(c core.NodeCondition) bool {
			return c.Type == core.NodeReady && c.Status == core.ConditionTrue
		})
		if !ready {
			return fmt.Errorf("%s is not Ready", h.Name)
		}
		drivers, err := c.api.StorageV1().CSINodes().Get(ctx, h.Name, meta.GetOptions{})
		if err != nil || len(drivers.Spec.Drivers) < 2 {
			return errors.Join(err, fmt.Errorf("%s lacks the disks' driver", h.Name))
		}
		lease, err := c.lease(ctx, h.Name)
		if err != nil || lease.State != fence.Open {
			return errors.Join(err, fmt.Errorf("the lease of %s is %q", h.Name, lease.State))
		}
		if before.Version == 0 {
			before = lease
		}
		if before.Version == lease.Version {
			return fmt.Errorf("the lease of %s is not renewed", h.Name)
		}
		return nil
	})
}
