package controller

import (
	"context"
	"errors"
	"time"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/mainstay-io/mainstay/internal/petset"
)

// reconciler is the shell around petset.Decide: one method a step.
type reconciler struct {
	client    kubernetes.Interface
	caches    *caches
	events    record.EventRecorder
	revisions *revisions
	writes    *writes
	// maxWrites is how many writes of one set may be in flight.
	maxWrites int
}

func newReconciler(client kubernetes.Interface, caches *caches, events record.EventRecorder, maxWrites int) *reconciler {
	return &reconciler{
		client:    client,
		caches:    caches,
		events:    events,
		revisions: newRevisions(client, caches),
		writes:    newWrites(caches),
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
		return reconcile.Result{}, nil
	}
	value, err := petset.FromStatefulSet(set)
	if err != nil {
		r.events.Event(set, corev1.EventTypeWarning, "InvalidSpec", err.Error())
		// Trying again is of no use; a change of the spec comes as an event.
		return reconcile.Result{}, reconcile.TerminalError(err)
	}
	return r.step(ctx, set, value)
}

// step observes, decides and acts. The status is written even when actions
// failed: what was observed is true all the same.
func (r *reconciler) step(ctx context.Context, set *apps.StatefulSet, value petset.Set) (reconcile.Result, error) {
	pods, err := r.claimPods(ctx, set, value)
	if err != nil {
		return reconcile.Result{}, err
	}
	revisions, err := r.revisions.resolve(ctx, set, value)
	if err != nil {
		return reconcile.Result{}, err
	}
	plan := petset.Decide(petset.Observation{
		Set:            value,
		Current:        revisions.current,
		Update:         revisions.update,
		CollisionCount: revisions.collisions,
		Pods:           pods,
		Claims:         r.observeClaims(value, pods),
		Now:            time.Now(),
	})
	logPlan(ctx, plan)
	err = errors.Join(
		r.carryOut(ctx, set, plan.Actions),
		r.writeStatus(ctx, set, plan.Status),
	)
	if err != nil {
		return reconcile.Result{}, err
	}
	if err := r.revisions.truncate(ctx, value, revisions, pods); err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: plan.RecheckAfter}, nil
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
