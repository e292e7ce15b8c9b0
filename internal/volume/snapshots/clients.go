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

// The kinds of snapshots, and of groups of them. A cluster may have none, or those
// without these, and that is no error.
var singleKinds, groupKinds = snapshot.SchemeGroupVersion, groupsnapshot.SchemeGroupVersion

// waitForKinds waits until the API server serves them. It asks ever more rarely,
// for it may ask on every node of a cluster that never will.
func waitForKinds(ctx context.Context, c clients, kinds schema.GroupVersion) error {
	pauses := wait.Backoff{Duration: time.Second, Factor: 1.5, Steps: 20, Cap: time.Minute}
	return pauses.DelayFunc().Until(ctx, true, true, func(context.Context) (bool, error) { return c.serve(kinds), nil })
}

func (c clients) serve(kinds schema.GroupVersion) bool {
	_, err := c.kubernetes.Discovery().ServerResourcesForGroupVersion(kinds.String())
	return err == nil
}

func retries() workqueue.TypedRateLimiter[string] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[string](firstRetry, lastRetry)
}
