// Package controller runs apps/v1 StatefulSets by the rules of package petset,
// in the place of upstream's controller. It observes the set through caches,
// asks petset.Decide, carries the plan out and writes the status. There are no
// rules here.
//
// Every write can be repeated: pods, claims and revisions are created by name,
// pods are deleted by UID, updates and status carry a resource version. A set
// is looked at only when the caches hold all that was written for it before
// (see writes.go), so that nothing is decided twice.
package controller

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// The least that the controller may do. Owner references that block their
// owner's deletion need the right to update the owner's finalizers.
//
// +kubebuilder:rbac:groups=apps,resources=statefulsets,verbs=get;list;watch
// +kubebuilder:rbac:groups=apps,resources=statefulsets/status,verbs=update
// +kubebuilder:rbac:groups=apps,resources=statefulsets/finalizers,verbs=update
// +kubebuilder:rbac:groups=apps,resources=controllerrevisions,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups="",resources=pods/finalizers,verbs=update
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims,verbs=get;list;watch;create;update
// +kubebuilder:rbac:groups="",resources=events,verbs=create;patch

// name is what events and metrics call the controller; the same as upstream's,
// since users' tools filter by it.
const name = "statefulset-controller"

// The longest pause before a failed set is tried again. Whatever was in the
// way may be gone at any time, and nothing else will tell.
const maxRetryDelay = 30 * time.Second

// Options of the controller. The zero value is good.
type Options struct {
	// MaxConcurrentReconciles is how many sets are worked on at once; 8 when
	// zero.
	MaxConcurrentReconciles int
	// MaxConcurrentWrites is how many writes one Parallel set may have in
	// flight; 32 when zero.
	MaxConcurrentWrites int
}

// Add puts the controller into a manager whose cache holds the whole cluster.
// The manager's rest.Config should allow many requests per second: every limit
// there is time that users wait for their pets.
func Add(mgr ctrl.Manager, options Options) error {
	if options.MaxConcurrentReconciles == 0 {
		options.MaxConcurrentReconciles = 8
	}
	if options.MaxConcurrentWrites == 0 {
		options.MaxConcurrentWrites = 32
	}
	client, err := newClient(mgr)
	if err != nil {
		return fmt.Errorf("client of the StatefulSet controller: %w", err)
	}
	caches, err := newCaches(context.Background(), mgr.GetCache())
	if err != nil {
		return fmt.Errorf("caches of the StatefulSet controller: %w", err)
	}
	// Events of the core group: they are what upstream's controller sends, and
	// what is shown and counted by the tools that people have.
	recorder := mgr.GetEventRecorderFor(name) //nolint:staticcheck // the other recorder writes events.k8s.io
	c, err := controller.New(name, mgr, controller.Options{
		MaxConcurrentReconciles: options.MaxConcurrentReconciles,
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](
			10*time.Millisecond, maxRetryDelay),
		Reconciler: newReconciler(client, caches, recorder, options.MaxConcurrentWrites),
	})
	if err != nil {
		return err
	}
	return watchAll(c, mgr.GetCache(), caches)
}

// newClient speaks protobuf, which costs a fraction of JSON on both sides,
// over the manager's connections.
func newClient(mgr ctrl.Manager) (kubernetes.Interface, error) {
	config := rest.CopyConfig(mgr.GetConfig())
	if config.ContentType == "" {
		config.ContentType = runtime.ContentTypeProtobuf
		config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	}
	return kubernetes.NewForConfigAndClient(config, mgr.GetHTTPClient())
}
