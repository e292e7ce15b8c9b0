package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"k8s.io/utils/ptr"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// rolloutStatus follows a rollout by a watch, and ends when it is done.
func rolloutStatus(call rolloutCall, set *unstructured.Unstructured) error {
	if flagText(call.command, "revision") != "0" {
		return errors.New("--revision is for Deployments: the status of a PetSet is always that of its newest revision")
	}
	timeout, err := call.command.Flags().GetDuration("timeout")
	if err != nil {
		return err
	}
	follow := flagText(call.command, "watch") == "true"
	ctx, cancel := watchtools.ContextWithOptionalTimeout(call.ctx, timeout)
	defer cancel()
	last := ""
	_, err = watchtools.UntilWithSync(ctx, call.watchOne(set), &unstructured.Unstructured{}, nil, func(event watch.Event) (bool, error) {
		if event.Type == watch.Deleted {
			return true, fmt.Errorf("petset %q has been deleted", set.GetName())
		}
		now, err := toPetSet(event.Object.(*unstructured.Unstructured))
		if err != nil {
			return true, err
		}
		line, done, err := rolloutProgress(now)
		if err != nil {
			return true, err
		}
		if line != last {
			fmt.Fprintln(call.options.out, line)
			last = line
		}
		return done || !follow, nil
	})
	return call.whyEnded(err, timeout, last)
}

func (call rolloutCall) watchOne(set *unstructured.Unstructured) cache.ListerWatcher {
	sets, one := call.sets(set), fields.OneTermEqualSelector("metadata.name", set.GetName()).String()
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.FieldSelector = one
			return sets.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.FieldSelector = one
			return sets.Watch(ctx, options)
		},
	}, call.objects)
}

// whyEnded tells an interrupt and the end of the time from other errors.
func (call rolloutCall) whyEnded(err error, timeout time.Duration, last string) error {
	switch {
	case err == nil:
		return nil
	case call.ctx.Err() != nil:
		return errors.New("interrupted; the rollout goes on")
	case wait.Interrupted(err):
		return fmt.Errorf("timed out after %s; the rollout goes on. %s", timeout, last)
	}
	return err
}

// rolloutProgress says what a rollout waits for, in kubectl's words: the first
// rule that applies.
func rolloutProgress(set *v1alpha1.PetSet) (line string, done bool, err error) {
	rolling, status, wanted := set.Spec.UpdateStrategy.RollingUpdate, set.Status, wantedReplicas(set.Spec.Replicas)
	if rolling == nil {
		rolling = &v1alpha1.RollingUpdate{}
	}
	partition := ptr.Deref(rolling.Partition, 0)
	toUpdate := max(0, wanted-partition)
	updated := fmt.Sprintf("%d out of %d new pods have been updated...", status.UpdatedReplicas, toUpdate)
	waitsFor, why := whatHolds(set, v1alpha1.ConditionProgressing), ""
	if waitsFor != "" {
		why = " (" + waitsFor + ")"
	}
	switch {
	case set.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType:
		return "", false, fmt.Errorf("rollout status is only available for RollingUpdate strategy type: the pods of petset %q are updated when you delete them", set.Name)
	case set.Generation > status.ObservedGeneration:
		return "Waiting for petset spec update to be observed...", false, nil
	case meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionStuck):
		stuck := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionStuck)
		return fmt.Sprintf("petset %q is stuck (%s): %s; %s", set.Name, stuck.Reason, stuck.Message, updated), false, nil
	case status.ReadyReplicas < wanted:
		return fmt.Sprintf("Waiting for %d pods to be ready...%s", wanted-status.ReadyReplicas, why), false, nil
	case rolling.Paused && status.UpdatedReplicas < toUpdate:
		return fmt.Sprintf("petset %q is paused: %s `mainstay rollout resume petset/%s` lets it go on", set.Name, updated, set.Name), false, nil
	case status.UpdatedReplicas < toUpdate && partition > 0:
		return fmt.Sprintf("Waiting for partitioned roll out to finish: %s%s", updated, why), false, nil
	case status.UpdatedReplicas < toUpdate:
		return fmt.Sprintf("Waiting for petset %q rollout to finish: %s%s", set.Name, updated, why), false, nil
	case status.Replicas > wanted:
		return fmt.Sprintf("Waiting for petset %q rollout to finish: %d old pods are pending termination...%s", set.Name, status.Replicas-wanted, why), false, nil
	case waitsFor != "":
		return fmt.Sprintf("Waiting for petset %q rollout to finish...%s", set.Name, why), false, nil
	case partition > 0:
		return fmt.Sprintf("partitioned roll out complete: %d new pods have been updated...", status.UpdatedReplicas), true, nil
	}
	return fmt.Sprintf("petset %q successfully rolled out", set.Name), true, nil
}
