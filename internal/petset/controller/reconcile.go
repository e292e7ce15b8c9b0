package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kubernetes-csi/external-snapshotter/client/v8/clientset/versioned"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/mainstay-io/mainstay/internal/petset"
)

// reconciler is the shell around petset.Decide: one method a step.
type reconciler struct {
	kind      kind
	client    kubernetes.Interface
	snapshots versioned.Interface
	caches    *caches
	events    record.EventRecorder
	revisions *revisions
	writes    *writes
	known     *knownPods
	drains    *drains
	// maxWrites is how many writes of one set may be in flight.
	maxWrites int
}

func newReconciler(kind kind, kubernetesClient kubernetes.Interface, snapshots versioned.Interface, caches *caches, events record.EventRecorder, drains *drains, maxWrites int) *reconciler {
	return &reconciler{
		kind:      kind,
		client:    kubernetesClient,
		snapshots: snapshots,
		caches:    caches,
		events:    events,
		revisions: newRevisions(kind, kubernetesClient, caches),
		writes:    newWrites(kind, kubernetesClient, caches),
		known:     &knownPods{sets: map[types.NamespacedName]knownSet{}},
		drains:    drains,
		maxWrites: maxWrites,
	}
}

// Reconcile brings one set a step nearer to what was asked.
func (r *reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	if !r.writes.seen(ctx, request.NamespacedName) {
		return reconcile.Result{RequeueAfter: lagRetry}, nil
	}
	set := r.caches.set(request.NamespacedName)
	if set == nil {
		r.writes.forget(request.NamespacedName)
		r.known.forget(request.NamespacedName)
		return reconcile.Result{}, nil
	}
	value, err := r.kind.toSet(set)
	if err != nil {
		r.events.Event(set, corev1.EventTypeWarning, "InvalidSpec", err.Error())
		if failed := r.kind.writeInvalid(ctx, set, err); failed != nil && !apierrors.IsConflict(failed) {
			return reconcile.Result{}, fmt.Errorf("status of %s: %w", describeSet(r.kind, set), failed)
		}
		// Trying again is of no use; a change of the spec comes as an event.
		return reconcile.Result{}, reconcile.TerminalError(err)
	}
	return r.step(ctx, set, value)
}

// step observes, decides and acts. The status is written even when actions
// failed: what was observed is true all the same.
func (r *reconciler) step(ctx context.Context, set client.Object, value petset.Set) (reconcile.Result, error) {
	known := r.known.of(set)
	pods, err := r.claimPods(ctx, set, value, known)
	if err != nil {
		return reconcile.Result{}, err
	}
	revisions, err := r.revisions.resolve(ctx, set, value)
	if err != nil {
		return reconcile.Result{}, err
	}
	if revisions.written != nil {
		r.writes.wrote(set, revisionResource, revisions.written)
	}
	claims := value.ClaimsToObserve(pods)
	observation := petset.Observation{
		Set:            value,
		Current:        revisions.current,
		Update:         revisions.update,
		Former:         revisions.former,
		CollisionCount: revisions.collisions,
		Pods:           pods,
		Facts:          known.pods,
		FailedOver:     known.failedOver(value, pods, r.caches.fenced),
		Claims:         r.observeClaims(value, claims),
		NameTaken:      r.kind.nameTaken(set),
		DrainFailures:  r.drains.failuresOf(pods),
		Now:            time.Now(),
	}
	if err := r.observeVolumes(ctx, &observation, claims); err != nil {
		return reconcile.Result{}, err
	}
	if len(pods) == 0 {
		if observation.Unready, err = r.kind.unready(ctx, set); err != nil {
			return reconcile.Result{}, err
		}
	}
	plan := petset.Decide(observation)
	logPlan(ctx, plan)
	r.tellUncreatable(set, plan)
	refused := r.carryOut(ctx, set, plan.Actions)
	if err := errors.Join(refused, r.writeStatus(ctx, set, plan.Refused(lasting(refused)))); err != nil {
		return reconcile.Result{}, err
	}
	if err := r.revisions.truncate(ctx, value, revisions, pods); err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: plan.RecheckAfter}, nil
}

// lasting leaves out what goes away by itself: that somebody else wrote at the
// same time, and that this process ends.
func lasting(err error) error {
	if apierrors.IsConflict(err) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func logPlan(ctx context.Context, plan petset.Plan) {
	log := ctrl.LoggerFrom(ctx).V(1)
	if !log.Enabled() {
		return
	}
	for _, action := range plan.Actions {
		log.Info("Plan", "action", action.Verb, "object", action.Object(), "reason", action.Reason)
	}
	for _, wait := range plan.Waits {
		log.Info("Waiting", "pod", wait.Pod, "reason", wait.Reason)
	}
}
