package provisioner

import (
	"context"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/volumetest"
)

func TestWithoutPool(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	class := func(name, provisioner string, age time.Duration) *storage.StorageClass {
		return &storage.StorageClass{ObjectMeta: meta.ObjectMeta{Name: name, CreationTimestamp: meta.NewTime(now.Add(-age))}, Provisioner: provisioner}
	}
	published := []storage.CSIStorageCapacity{{StorageClassName: "mainstay"}, {StorageClassName: "full"}}
	for _, c := range []struct {
		why     string
		class   *storage.StorageClass
		missing bool
	}{
		{"another driver's", class("nfs", "nfs.example.com", time.Hour), false},
		{"nodes may yet publish", class("new", volume.DriverName, time.Second), false},
		{"a node has the pool", class("mainstay", volume.DriverName, time.Hour), false},
		{"no node has it", class("fast", volume.DriverName, time.Hour), true},
	} {
		if got := withoutPool([]*storage.StorageClass{c.class}, published, now); (len(got) == 1) != c.missing {
			t.Errorf("%s: %v", c.why, got)
		}
	}
}

// events gives what a claim's user is told.
func (c cluster) events(t *testing.T, claim *core.PersistentVolumeClaim) (messages []string) {
	t.Helper()
	list, err := c.CoreV1().Events(claim.Namespace).List(context.Background(), meta.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list.Items {
		if e.InvolvedObject.UID == claim.UID && e.Type == core.EventTypeWarning {
			messages = append(messages, e.Message)
		}
	}
	return messages
}

// A claim whose class names a pool that no node has is told so.
func TestClaimOfMissingPool(t *testing.T) {
	ctx := context.Background()
	c := startCluster(t, storage.VolumeBindingWaitForFirstConsumer)
	claim := c.claim(t, "data", "8Mi", "")
	binding := storage.VolumeBindingWaitForFirstConsumer
	fast := &storage.StorageClass{
		ObjectMeta: meta.ObjectMeta{Name: "fast", CreationTimestamp: meta.NewTime(time.Now().Add(-time.Hour))}, Provisioner: volume.DriverName,
		Parameters: map[string]string{volume.PoolParameter: "fast"}, VolumeBindingMode: &binding,
	}
	claim.Spec.StorageClassName = &fast.Name
	if _, err := c.CoreV1().PersistentVolumeClaims("default").Update(ctx, claim, meta.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.StorageV1().StorageClasses().Create(ctx, fast, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	volumetest.Eventually(t, "the claim says that no node has the pool", func() bool {
		told := c.events(t, claim)
		return len(told) == 1 && strings.Contains(told[0], "no node has a pool fast") && strings.Contains(told[0], "mainstay up --pool fast=PATH")
	})
}
