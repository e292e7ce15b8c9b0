package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mainstay-io/mainstay/internal/petset"
)

// maxFailures is after how many failed pets a stage starts no others. What
// makes so many fail, a quota or a webhook, makes all fail; a few must not keep
// the rest from starting.
const maxFailures = 16

// carryOut does what the plan says, stage by stage, and stops after a stage
// that failed.
func (r *reconciler) carryOut(ctx context.Context, set client.Object, actions []petset.Action) error {
	for len(actions) > 0 {
		end := 1
		for end < len(actions) && actions[end].Stage == actions[0].Stage {
			end++
		}
		if err := r.carryOutStage(ctx, set, actions[:end]); err != nil {
			return err
		}
		actions = actions[end:]
	}
	return nil
}

func (r *reconciler) carryOutStage(ctx context.Context, set client.Object, actions []petset.Action) error {
	var failures failures
	group := errgroup.Group{}
	group.SetLimit(r.maxWrites)
	for _, pet := range byOrdinal(actions) {
		if failures.count() >= maxFailures {
			break
		}
		group.Go(func() error {
			for _, action := range pet {
				if err := r.perform(ctx, set, action); err != nil {
					failures.add(err)
					break
				}
			}
			return nil
		})
	}
	_ = group.Wait()
	return failures.joined()
}

// byOrdinal splits actions by pet; they stand together in a plan's stage.
func byOrdinal(actions []petset.Action) (pets [][]petset.Action) {
	for start := 0; start < len(actions); {
		end := start + 1
		for end < len(actions) && actions[end].Ordinal == actions[start].Ordinal {
			end++
		}
		pets = append(pets, actions[start:end])
		start = end
	}
	return pets
}

// perform does one action and tells the user.
func (r *reconciler) perform(ctx context.Context, set client.Object, action petset.Action) error {
	var err error
	switch action.Verb {
	case petset.CreateClaim:
		err = r.createClaim(ctx, set, action.Claim)
	case petset.UpdateClaim:
		err = r.updateClaim(ctx, set, action.Claim)
	case petset.DeleteClaim:
		err = r.deleteExactly(ctx, set, claimResource, action.Claim, &corev1.PersistentVolumeClaim{})
	case petset.UpdateVolume:
		err = r.updateVolume(ctx, set, action.Volume)
	case petset.CreatePod:
		err = r.createPod(ctx, set, action.Pod)
	case petset.UpdatePod:
		err = r.updatePod(ctx, set, action.Pod)
	case petset.ResizePod:
		err = r.resizePod(ctx, set, action.Pod)
	case petset.DeletePod:
		err = r.deleteExactly(ctx, set, podResource, action.Pod, &corev1.Pod{})
	case petset.DrainPod:
		r.drains.ask(set, action.Pod)
		return nil // the drain tells how it went
	}
	if action.ElseDelete && impossibleInPlace(err) {
		action.Verb, action.Warning = petset.DeletePod, "Pod "+action.Pod.Name+" cannot be changed in place, and is replaced: "+err.Error()
		err = r.deleteExactly(ctx, set, podResource, action.Pod, &corev1.Pod{})
	}
	r.tell(set, action, err)
	return err
}

func (r *reconciler) createClaim(ctx context.Context, set client.Object, claim *corev1.PersistentVolumeClaim) error {
	created, err := r.client.CoreV1().PersistentVolumeClaims(set.GetNamespace()).Create(ctx, claim, metav1.CreateOptions{})
	r.writes.answered(set, claimResource, claim.Name, created, err)
	return err
}

func (r *reconciler) updateClaim(ctx context.Context, set client.Object, claim *corev1.PersistentVolumeClaim) error {
	updated, err := r.client.CoreV1().PersistentVolumeClaims(set.GetNamespace()).Update(ctx, claim, metav1.UpdateOptions{})
	r.writes.answered(set, claimResource, claim.Name, updated, err)
	return err
}

func (r *reconciler) updateVolume(ctx context.Context, set client.Object, volume *corev1.PersistentVolume) error {
	updated, err := r.client.CoreV1().PersistentVolumes().Update(ctx, volume, metav1.UpdateOptions{})
	r.writes.answered(set, volumeResource, volume.Name, updated, err)
	return err
}

func (r *reconciler) createPod(ctx context.Context, set client.Object, pod *corev1.Pod) error {
	created, err := r.client.CoreV1().Pods(set.GetNamespace()).Create(ctx, pod, metav1.CreateOptions{})
	r.writes.answered(set, podResource, pod.Name, created, err)
	if apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("the name is taken by a pod that is not the set's; delete that pod or give it the set's labels: %w", err)
	}
	return err
}

func (r *reconciler) updatePod(ctx context.Context, set client.Object, pod *corev1.Pod) error {
	updated, err := r.client.CoreV1().Pods(set.GetNamespace()).Update(ctx, pod, metav1.UpdateOptions{})
	r.writes.answered(set, podResource, pod.Name, updated, err)
	return err
}

func (r *reconciler) resizePod(ctx context.Context, set client.Object, pod *corev1.Pod) error {
	resized, err := r.client.CoreV1().Pods(set.GetNamespace()).UpdateResize(ctx, pod.Name, pod, metav1.UpdateOptions{})
	r.writes.answered(set, podResource, pod.Name, resized, err)
	return err
}

// impossibleInPlace: another pod could have what this one cannot. Not so when a
// quota or a webhook forbids it: then the pod that runs is better than none. The
// admission plugin tells a node that is too small by its words alone.
func impossibleInPlace(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsForbidden(err) && strings.Contains(err.Error(), "enough allocatable resources")
}

// deleteExactly deletes this very pod, with its own grace period, or this claim. That
// it is gone already, or another has its name, is as good. It asks for the answer,
// which the typed client throws away: its version tells when the caches know.
func (r *reconciler) deleteExactly(ctx context.Context, set client.Object, resource schema.GroupResource, object, answer client.Object) error {
	err := r.client.CoreV1().RESTClient().Delete().Namespace(object.GetNamespace()).Resource(resource.Resource).Name(object.GetName()).
		Body(&metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(object.GetUID()))}).
		Do(ctx).Into(answer)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	r.writes.answered(set, resource, object.GetName(), answer, err)
	return err
}

// failures collects the errors of writes that run at once.
type failures struct {
	mu   sync.Mutex
	errs []error
}

func (f *failures) add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs = append(f.errs, err)
}

func (f *failures) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.errs)
}

func (f *failures) joined() error {
	return errors.Join(f.errs...)
}
