package sidecars

import (
	"fmt"
	"time"

	"github.com/kubernetes-csi/external-snapshotter/client/v8/clientset/versioned"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"

	"github.com/mainstay-io/mainstay/internal/volume/snapshots"
)

const (
	// threads bounds how many volumes one sidecar works on at the same time.
	threads = 10
	// callTimeout is how long a driver may take for one call. What takes longer is
	// asked for again, as the CSI specification has it.
	callTimeout = 2 * time.Minute
	// The pauses between attempts after a failure.
	firstRetry, lastRetry = time.Second, 5 * time.Minute
)

// clients speak to the API of Kubernetes and to that of snapshots.
type clients struct {
	kubernetes kubernetes.Interface
	snapshots  versioned.Interface
}

func newClients(access *rest.Config) (clients, error) {
	core, err := kubernetes.NewForConfig(access)
	if err != nil {
		return clients{}, fmt.Errorf("reach the API server for other people's CSI drivers: %w", err)
	}
	snapshots, err := snapshots.NewClient(access)
	return clients{kubernetes: core, snapshots: snapshots}, err
}

func retries[T comparable]() workqueue.TypedRateLimiter[T] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[T](firstRetry, lastRetry)
}

// queue is a queue of work; its name is for metrics.
func queue[T comparable](name string) workqueue.TypedRateLimitingInterface[T] {
	return workqueue.NewTypedRateLimitingQueueWithConfig(retries[T](), workqueue.TypedRateLimitingQueueConfig[T]{Name: name})
}
