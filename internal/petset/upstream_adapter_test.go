package petset

import (
	"context"
	"sync"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/record"
	"k8s.io/kubernetes/pkg/controller/history"
	"k8s.io/kubernetes/pkg/controller/statefulset"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// upstream is the decision maker of Kubernetes' own controller, at work in a
// world. It reads and writes at once, so that nothing in it has side effects.
type upstream struct {
	mu      sync.Mutex // it creates pods of a Parallel set at the same time
	world   *world
	control statefulset.StatefulSetControlInterface
}

func newUpstream(w *world) *upstream {
	u := &upstream{world: w}
	revisions := informers.NewSharedInformerFactory(nil, 0).Apps().V1().ControllerRevisions()
	u.control = statefulset.NewDefaultStatefulSetControl(
		statefulset.NewStatefulPodControlFromManager(u, &record.FakeRecorder{}), u, history.NewFakeHistory(revisions))
	return u
}

func (u *upstream) acts() error {
	object := u.world.sets.truth()
	set := asStatefulSet(object).DeepCopy()
	if object.Spec.Ordinals != nil {
		set.Spec.Ordinals = &apps.StatefulSetOrdinals{Start: object.Spec.Ordinals.Start}
	}
	value, err := u.world.convert(object)
	if err != nil {
		return err
	}
	u.world.catchUp()
	var pods []*corev1.Pod
	for _, pod := range u.world.memberPods(value) {
		pods = append(pods, pod.DeepCopy())
	}
	// It returns an error for what it waits for, too.
	_, _ = u.control.UpdateStatefulSet(context.Background(), set, pods, u.world.now)
	return nil
}

func (u *upstream) CreatePod(_ context.Context, pod *corev1.Pod, _ *apps.StatefulSet) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.world.pods.truth()[pod.Name] != nil {
		return apierrors.NewAlreadyExists(corev1.Resource("pods"), pod.Name)
	}
	return u.world.createPod(pod)
}

func (u *upstream) GetPod(_, name string) (*corev1.Pod, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if pod := u.world.pods.truth()[name]; pod != nil {
		return pod.DeepCopy(), nil
	}
	return nil, apierrors.NewNotFound(corev1.Resource("pods"), name)
}

func (u *upstream) UpdatePod(pod *corev1.Pod, _ *apps.StatefulSet) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.world.updatePod(pod)
}

func (u *upstream) DeletePod(pod *corev1.Pod) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.world.deletePod(pod.Name)
	return nil
}

func (u *upstream) CreateClaim(claim *corev1.PersistentVolumeClaim, _ *apps.StatefulSet) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.world.createClaim(claim)
}

func (u *upstream) GetClaim(_, name string) (*corev1.PersistentVolumeClaim, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if claim := u.world.claims.truth()[name]; claim != nil {
		return claim.DeepCopy(), nil
	}
	return nil, apierrors.NewNotFound(corev1.Resource("persistentvolumeclaims"), name)
}

func (u *upstream) UpdateClaim(claim *corev1.PersistentVolumeClaim, _ *apps.StatefulSet) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.world.updateClaim(claim)
}

func (u *upstream) UpdateStatefulSetStatus(_ context.Context, _ *apps.StatefulSet, status *apps.StatefulSetStatus) error {
	now := *u.world.sets.truth()
	now.ResourceVersion = u.world.unique()
	now.Status = v1alpha1.PetSetStatus{
		ObservedGeneration: status.ObservedGeneration,
		Replicas:           status.Replicas,
		ReadyReplicas:      status.ReadyReplicas,
		AvailableReplicas:  status.AvailableReplicas,
		CurrentReplicas:    status.CurrentReplicas,
		UpdatedReplicas:    status.UpdatedReplicas,
		CurrentRevision:    status.CurrentRevision,
		UpdateRevision:     status.UpdateRevision,
		CollisionCount:     status.CollisionCount,
	}
	u.world.sets.push(&now)
	return nil
}
