package provisioner

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// classSettles is how long nodes may take to publish what they have for a new class.
const classSettles = 10 * time.Second

// withoutPool gives those of our classes whose pool no node has: none of them
// publishes a capacity for it.
func withoutPool(classes []*storage.StorageClass, published []storage.CSIStorageCapacity, now time.Time) []*storage.StorageClass {
	return slices.DeleteFunc(slices.Clone(classes), func(class *storage.StorageClass) bool {
		return class.Provisioner != volume.DriverName || now.Sub(class.CreationTimestamp.Time) < classSettles ||
			slices.ContainsFunc(published, func(c storage.CSIStorageCapacity) bool { return c.StorageClassName == class.Name })
	})
}

// tellOfMissingPools tells claims that wait for a volume that no node can make
// it. The scheduler only says that there is no room.
func (p *capacityPublisher) tellOfMissingPools(ctx context.Context, classes []*storage.StorageClass, now time.Time) error {
	claims, err := p.claims.List(labels.Everything())
	if err != nil {
		return err
	}
	waiting := slices.DeleteFunc(claims, func(claim *core.PersistentVolumeClaim) bool {
		return claim.Spec.VolumeName != "" || claim.Spec.StorageClassName == nil
	})
	if len(waiting) == 0 {
		return nil // all nodes' capacities are much to ask for
	}
	ours := labels.Set{driverLabel: volume.DriverName}
	published, err := p.client.StorageV1().CSIStorageCapacities(p.config.Namespace).List(ctx, meta.ListOptions{LabelSelector: ours.String()})
	if err != nil {
		return err
	}
	missing := withoutPool(classes, published.Items, now)
	for _, claim := range waiting {
		for _, class := range missing {
			if *claim.Spec.StorageClassName != class.Name {
				continue
			}
			_, err := p.client.CoreV1().Events(claim.Namespace).Create(ctx, noPoolEvent(claim, class, now), meta.CreateOptions{})
			if err != nil && !apierrors.IsAlreadyExists(err) {
				return err
			}
		}
	}
	return nil
}

// noPoolEvent has a name that every node gives it, so that one of them tells.
func noPoolEvent(claim *core.PersistentVolumeClaim, class *storage.StorageClass, now time.Time) *core.Event {
	sum := sha256.Sum256([]byte(string(claim.UID) + "/" + class.Name))
	pool := volume.PoolOf(class.Parameters)
	return &core.Event{
		ObjectMeta: meta.ObjectMeta{Namespace: claim.Namespace, Name: "no-pool-" + hex.EncodeToString(sum[:10])},
		InvolvedObject: core.ObjectReference{
			APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
		},
		Type: core.EventTypeWarning, Reason: "NoPool", Source: core.EventSource{Component: volume.DriverName}, Count: 1,
		FirstTimestamp: meta.NewTime(now), LastTimestamp: meta.NewTime(now),
		Message: fmt.Sprintf("no node has a pool %s, which class %s asks for: declare one on a node with mainstay up --pool %s=PATH, or use another class (see: kubectl get pools)",
			pool, class.Name, pool),
	}
}
