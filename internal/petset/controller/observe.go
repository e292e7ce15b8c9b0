package controller

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubecontroller "k8s.io/kubernetes/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mainstay-io/mainstay/internal/petset"
)

// claimPods returns the set's pods; what is known of them is up to date then. Orphans
// that match it are adopted, pods that do not match it any more are released.
func (r *reconciler) claimPods(ctx context.Context, set client.Object, value petset.Set, known knownSet) ([]*corev1.Pod, error) {
	candidates, err := r.caches.podsAndOrphans(value)
	if err != nil {
		return nil, err
	}
	pods, others := candidates[:0], []*corev1.Pod(nil)
	for _, pod := range candidates {
		if _, ok := known.pods[pod]; ok {
			pods = append(pods, pod)
		} else {
			others = append(others, pod)
		}
	}
	control := kubecontroller.RealPodControl{
		KubeClient: r.client,
		Recorder:   r.events,
		OnWrite:    func(pod *corev1.Pod, _ *metav1.OwnerReference) { r.writes.wrote(set, podResource, pod) },
	}
	manager := kubecontroller.NewPodControllerRefManager(control, set, value.Selector, value.Kind, canAdopt(r.kind, set))
	claimed, err := manager.ClaimPods(ctx, others, value.IsMember)
	if err != nil {
		return nil, err
	}
	for _, pod := range claimed {
		if metav1.IsControlledBy(pod, set) { // and not only about to be
			known.saw(pod)
		}
	}
	pods = append(pods, claimed...)
	forgetFormer(known.pods, pods)
	return pods, nil
}

// observeClaims returns the claims of the set's pets, present and past.
func (r *reconciler) observeClaims(set petset.Set, names []string) map[string]*corev1.PersistentVolumeClaim {
	claims := make(map[string]*corev1.PersistentVolumeClaim, len(names))
	for _, name := range names {
		if claim := r.caches.claim(set.Namespace, name); claim != nil {
			claims[name] = claim
		}
	}
	return claims
}
