// Package controller runs StatefulSets and PetSets by the rules of package petset,
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
	"errors"
	"fmt"
	"time"

	"github.com/kubernetes-csi/external-snapshotter/client/v8/clientset/versioned"
	apps "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	runtimeclient "sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/petset"
)

// The least that the controller may do. controller-gen makes cluster roles of
// it: mainstay:petset for PetSets, to which mainstay:statefulset adds what
// StatefulSets need.
//
// +kubebuilder:rbac:groups=mainstay.dev,resources=petsets,verbs=get;list;watch
// +kubebuilder:rbac:groups=mainstay.dev,resources=petsets/status,verbs=update
// +kubebuilder:rbac:groups=apps,resources=statefulsets,verbs=get;list;watch
// +kubebuilder:rbac:groups=apps,resources=controllerrevisions,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups="",resources=pods,verbs=list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups="",resources=pods/resize,verbs=update
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims,verbs=list;watch;create;update
// +kubebuilder:rbac:groups="",resources=nodes,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=persistentvolumes,verbs=list;watch;update
// +kubebuilder:rbac:groups=snapshot.storage.k8s.io,resources=volumesnapshots,verbs=list
// +kubebuilder:rbac:groups="",resources=events,verbs=create;patch
//
// Drains:
// +kubebuilder:rbac:groups="",resources=pods/exec,verbs=get;create
// +kubebuilder:rbac:groups="",resources=pods/proxy,verbs=get
//
// What a set may depend on:
// +kubebuilder:rbac:groups=apps,resources=deployments,verbs=get
// +kubebuilder:rbac:groups="",resources=services,verbs=get
// +kubebuilder:rbac:groups=discovery.k8s.io,resources=endpointslices,verbs=list
//
// Where the API server checks who sets owner references (its admission plugin
// OwnerReferencesPermissionEnforcement), one that blocks the owner's deletion
// needs the right to update the owner's finalizers, and changing those of a claim
// the right to delete it:
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims,verbs=delete
// +kubebuilder:rbac:groups=mainstay.dev,resources=petsets/finalizers,verbs=update
// +kubebuilder:rbac:groups="",resources=pods/finalizers,verbs=update
//
// +kubebuilder:rbac:roleName="mainstay:statefulset",groups=apps,resources=statefulsets/status,verbs=update
// +kubebuilder:rbac:roleName="mainstay:statefulset",groups=apps,resources=statefulsets/finalizers,verbs=update

// The longest pause before a failed set is tried again. Whatever was in the
// way may be gone at any time, and nothing else will tell.
const maxRetryDelay = 30 * time.Second

// Options of the controller: one kind of sets, or both.
type Options struct {
	// StatefulSets are looked after. Nobody else may do so.
	StatefulSets bool
	// PetSets are looked after. Their definition must be there, or come.
	PetSets bool
	// MaxConcurrentReconciles is how many sets are worked on at once; 8 when
	// zero.
	MaxConcurrentReconciles int
	// MaxConcurrentWrites is how many writes one Parallel set may have in
	// flight; 32 when zero.
	MaxConcurrentWrites int
}

// Add puts the controller into a manager whose cache holds the whole cluster.
// The manager's rest.Config should allow many requests per second: every limit
// there is time that users wait for their pets. Add waits, as long as the context
// lasts, until the API server serves PetSets.
func Add(ctx context.Context, mgr ctrl.Manager, options Options) error {
	if options.MaxConcurrentReconciles == 0 {
		options.MaxConcurrentReconciles = 8
	}
	if options.MaxConcurrentWrites == 0 {
		options.MaxConcurrentWrites = 32
	}
	client, err := newClient(mgr)
	if err != nil {
		return fmt.Errorf("client of the set controllers: %w", err)
	}
	if options.StatefulSets {
		if err := addKind(ctx, mgr, options, statefulSets{client}, client); err != nil {
			return err
		}
	}
	if !options.PetSets {
		return nil
	}
	sets, err := newPetSets(ctx, mgr)
	if err != nil {
		return err
	}
	return addKind(ctx, mgr, options, sets, client)
}

func newPetSets(ctx context.Context, mgr ctrl.Manager) (petSets, error) {
	if err := v1alpha1.AddToScheme(mgr.GetScheme()); err != nil {
		return petSets{}, err
	}
	if err := waitForPetSets(ctx, mgr.GetRESTMapper()); err != nil {
		return petSets{}, err
	}
	direct, err := runtimeclient.New(inJSON(mgr), runtimeclient.Options{HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme()})
	if err != nil {
		return petSets{}, fmt.Errorf("client of the PetSet controller: %w", err)
	}
	neighbours, err := informerOf(ctx, mgr.GetCache(), &apps.StatefulSet{})
	return petSets{direct, neighbours}, err
}

// inJSON is for kinds of definitions, of which there is no protobuf.
func inJSON(mgr ctrl.Manager) *rest.Config {
	config := rest.CopyConfig(mgr.GetConfig())
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	return config
}

// waitForPetSets asks who will be asked later: an API server tells of a new kind in
// several places, in some of them later than in others.
func waitForPetSets(ctx context.Context, kinds meta.RESTMapper) error {
	var unknown error
	err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(context.Context) (bool, error) {
		_, unknown = kinds.RESTMapping(petset.PetSetKind.GroupKind(), petset.PetSetKind.Version)
		return unknown == nil, nil
	})
	if err != nil {
		return fmt.Errorf("the API server does not serve PetSets: %w", errors.Join(unknown, err))
	}
	return nil
}

func addKind(ctx context.Context, mgr ctrl.Manager, options Options, kind kind, client kubernetes.Interface) error {
	name := kind.controllerName()
	caches, err := newCaches(ctx, kind, mgr.GetCache())
	if err != nil {
		return fmt.Errorf("caches of the %s: %w", name, err)
	}
	// Events of the core group: they are what upstream's controller sends, and
	// what is shown and counted by the tools that people have.
	recorder := mgr.GetEventRecorderFor(name) //nolint:staticcheck // the other recorder writes events.k8s.io
	drains := newDrains(mgr.GetConfig(), client, recorder)
	if err := mgr.Add(drains); err != nil {
		return err
	}
	snapshots, err := versioned.NewForConfigAndClient(inJSON(mgr), mgr.GetHTTPClient())
	if err != nil {
		return fmt.Errorf("client of the snapshots: %w", err)
	}
	c, err := controller.New(name, mgr, controller.Options{
		MaxConcurrentReconciles: options.MaxConcurrentReconciles,
		// First come, first served: the other queue lets what was there at the
		// start wait for as long as anything else happens.
		UsePriorityQueue: ptr.To(false),
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](
			10*time.Millisecond, maxRetryDelay),
		Reconciler: newReconciler(kind, client, snapshots, caches, recorder, drains, options.MaxConcurrentWrites),
	})
	if err != nil {
		return err
	}
	return watchAll(kind, c, mgr.GetCache(), caches)
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
