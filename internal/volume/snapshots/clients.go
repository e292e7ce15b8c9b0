package snapshots

import (
	"context"
	"fmt"
	"time"

	groupsnapshot "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumegroupsnapshot/v1"
	snapshot "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	"github.com/kubernetes-csi/external-snapshotter/client/v8/clientset/versioned"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
)

const (
	// workers bounds how many snapshots are worked on at the same time.
	workers = 8
	// resync looks at every object again, for what no event told of.
	resync = 15 * time.Minute
	// The pauses between attempts after a failure.
	firstRetry, lastRetry = 250 * time.Millisecond, 5 * time.Minute
)

// clients speak to the API of Kubernetes and to that of snapshots.
type clients struct {
	kubernetes kubernetes.Interface
	snapshots  versioned.Interface
}

func newClients(access *rest.Config) (clients, error) {
	core, err := kubernetes.NewForConfig(access)
	if err != nil {
		return clients{}, fmt.Errorf("reach the API server for snapshots: %w", err)
	}
	snapshots, err := NewClient(access)
	return clients{kubernetes: core, snapshots: snapshots}, err
}

// NewClient gives a client of the API of snapshots, which speaks JSON alone.
func NewClient(access *rest.Config) (*versioned.Clientset, error) {
	access = rest.CopyConfig(access)
	access.ContentType, access.AcceptContentTypes = "application/json", "application/json"
	return versioned.NewForConfig(access)
}

// waitForDefinitions waits until the API server serves snapshots and groups of
// them. A cluster that never does has no snapshots, and that is no error.
func waitForDefinitions(ctx context.Context, c clients) error {
	for _, kinds := range []schema.GroupVersion{snapshot.SchemeGroupVersion, groupsnapshot.SchemeGroupVersion} {
		err := wait.PollUntilContextCancel(ctx, time.Second, true, func(context.Context) (bool, error) {
			_, err := c.kubernetes.Discovery().ServerResourcesForGroupVersion(kinds.String())
			return err == nil, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func retries() workqueue.TypedRateLimiter[string] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[string](firstRetry, lastRetry)
}
